// Command cut writes the JSON schemas of the kinds that the Helm chart and docs/kubernetes.md have, one file a kind, for kubeconform. It cuts them out of what
// Kubernetes and the operator of Prometheus publish, which `go mod download` brings: make chart-schemas.
//
//	cut SWAGGER FOLDER [CRD...]
//
// Concurrency: one goroutine. Durability: none.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// kinds of Kubernetes, by the names of their definitions.
var kinds = []string{
	"io.k8s.api.apps.v1.StatefulSet", "io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.ServiceAccount",
	"io.k8s.api.core.v1.PersistentVolume", "io.k8s.api.core.v1.PersistentVolumeClaim", "io.k8s.api.core.v1.Pod",
	"io.k8s.api.policy.v1.PodDisruptionBudget", "io.k8s.api.networking.v1.NetworkPolicy",
}

type schema = map[string]any

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cut:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: cut SWAGGER FOLDER [CRD...]")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var swagger struct {
		Definitions map[string]schema `json:"definitions"`
	}
	if err := json.Unmarshal(text, &swagger); err != nil {
		return err
	}
	for _, name := range kinds {
		used := make(schema)
		collect(swagger.Definitions, name, used)
		kind := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
		if err := write(filepath.Join(args[1], kind+".json"), schema{"$ref": "#/definitions/" + name, "definitions": used}); err != nil {
			return err
		}
	}
	for _, path := range args[2:] {
		if err := custom(path, args[1]); err != nil {
			return err
		}
	}
	return nil
}

// collect puts a definition, and all that it refers to, into used.
func collect(all map[string]schema, name string, used schema) {
	if used[name] != nil {
		return
	}
	d := strict(all[name]).(schema)
	switch name {
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity":
		d = schema{"type": []string{"string", "number"}}
	}
	used[name] = d
	references(d, func(other string) { collect(all, other, used) })
}

// references calls found for every definition that a schema refers to.
func references(of any, found func(string)) {
	switch v := of.(type) {
	case schema:
		for key, each := range v {
			if text, ok := each.(string); ok && key == "$ref" {
				found(strings.TrimPrefix(text, "#/definitions/"))
			}
			references(each, found)
		}
	case []any:
		for _, each := range v {
			references(each, found)
		}
	}
}

// strict returns a schema without prose, which refuses unknown keys: a misspelt one would be dropped in silence by Kubernetes.
func strict(of any) any {
	switch v := of.(type) {
	case schema:
		out := make(schema)
		for key, each := range v {
			if _, prose := each.(string); (key == "description" || key == "format") && prose || strings.HasPrefix(key, "x-kubernetes-") {
				continue
			}
			out[key] = strict(each)
		}
		if v["x-kubernetes-int-or-string"] == true {
			delete(out, "anyOf")
			out["type"] = []string{"string", "integer"}
		}
		properties, isObject := v["properties"].(schema)
		if isObject && v["additionalProperties"] == nil && len(properties) > 0 && v["x-kubernetes-preserve-unknown-fields"] == nil {
			out["additionalProperties"] = false
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, each := range v {
			out[i] = strict(each)
		}
		return out
	}
	return of
}

// custom cuts the schema of a kind that a CustomResourceDefinition makes.
func custom(path, folder string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Names struct {
				Singular string `json:"singular"`
			} `json:"names"`
			Versions []struct {
				Schema struct {
					OpenAPI schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	if len(crd.Spec.Versions) != 1 {
		return fmt.Errorf("%s has %d versions", path, len(crd.Spec.Versions))
	}
	return write(filepath.Join(folder, crd.Spec.Names.Singular+".json"), strict(crd.Spec.Versions[0].Schema.OpenAPI).(schema))
}

func write(path string, s schema) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
