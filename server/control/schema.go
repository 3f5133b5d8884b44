package control

import (
	"context"
	_ "embed" // of schema.json
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
)

// schemaText is what makeSchema makes; a test holds the two together.
//
//go:embed schema.json
var schemaText []byte

// Schema says what there is.
var Schema = Operation[None, json.RawMessage]{
	Method: http.MethodGet, Path: "/v1/schema", Summary: "Returns this interface as a JSON schema.",
	Do: func(context.Context, Image, None) (json.RawMessage, error) { return schemaText, nil },
}

// schema is a part of a JSON schema (draft 2020-12).
type schema = map[string]any

// makeSchema describes operations and errors.
func makeSchema() schema {
	paths := schema{}
	for _, o := range operations {
		method, path, summary := o.about()
		request, reply := o.types()
		one := schema{"summary": summary, "reply": typeSchema(reply)}
		if request.NumField() > 0 {
			one["request"] = typeSchema(request)
		}
		if text := o.again(); text != "" {
			one["again"] = text
		}
		if paths[path] == nil {
			paths[path] = schema{}
		}
		paths[path].(schema)[method] = one
	}
	var list []string
	about := schema{}
	for _, k := range codes {
		list = append(list, k.code)
		about[k.code] = schema{"status": k.status, "description": k.about}
	}
	code := schema{"enum": list, "description": "which error it is, for programs"}
	failed := typeSchema(reflect.TypeFor[Error]())
	failed["properties"].(schema)["code"] = code
	return schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pmemfs control interface, version 1",
		"operations": paths, "error": schema{"type": "object", "properties": schema{"error": failed}, "required": []string{"error"}}, "codes": about,
	}
}

// jsonName is what a field is called in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// typeSchema describes a type. A kind that no operation has is a fault of ours.
func typeSchema(t reflect.Type) schema {
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Slice:
		if t == reflect.TypeFor[json.RawMessage]() {
			return schema{"type": "object"}
		}
		return schema{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	panic("control: no schema of a " + t.String())
}

// structSchema describes a struct; the fields of one that is embedded are its own.
func structSchema(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			inner := structSchema(f.Type)
			for name, p := range inner["properties"].(schema) {
				properties[name] = p
			}
			required = append(required, inner["required"].([]string)...)
			continue
		}
		p := typeSchema(f.Type)
		if text := f.Tag.Get("doc"); text != "" {
			p["description"] = text
		}
		properties[jsonName(f)] = p
		if !strings.Contains(f.Tag.Get("json"), ",omit") {
			required = append(required, jsonName(f))
		}
	}
	return schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
