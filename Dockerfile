# pmemfs in a container: one static binary, no shell, no root.
#
#   buildah bud --format docker -t pmemfs .
#   podman run -d --network host -v pmemfs:/data pmemfs
#
# The image lives in the volume and survives the container. docs/containers.md has more.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/pmemfs ./cmd/pmemfs \
	&& mkdir -p /out/volume && mkdir -m 0770 /out/volume/data

FROM scratch
COPY --from=build /out/pmemfs /pmemfs
COPY deploy/container/pmemfs.toml /etc/pmemfs/pmemfs.toml
# Any user in group 0 may write to it: OpenShift chooses the user. The folder above is copied, since COPY keeps the modes of what is in a folder alone.
COPY --from=build --chown=65532:0 /out/volume/ /
# What this file says counts less than variables and options do.
ENV PMEMFS_CONFIG=/etc/pmemfs/pmemfs.toml
USER 65532:0
VOLUME /data
EXPOSE 2049
STOPSIGNAL SIGTERM
# The admin port is on the container's loopback, which this command shares. Images in OCI's format have no such line.
HEALTHCHECK --interval=30s --timeout=7s --start-period=30s --retries=3 CMD ["/pmemfs", "health"]
ENTRYPOINT ["/pmemfs"]
CMD ["serve"]
