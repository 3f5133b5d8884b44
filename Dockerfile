# pmemfs in a container: one static binary, no shell, no root.
#
#   buildah bud -t pmemfs .
#   podman run -d --network host -v pmemfs:/data pmemfs
#
# The image lives in the volume and survives the container.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/pmemfs ./cmd/pmemfs \
	&& mkdir /out/data

FROM scratch
COPY --from=build /out/pmemfs /pmemfs
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 2049
STOPSIGNAL SIGTERM
ENTRYPOINT ["/pmemfs"]
CMD ["serve", "/data/pmemfs.img", "--nfs", "0.0.0.0:2049", "--root-mode", "1777"]
