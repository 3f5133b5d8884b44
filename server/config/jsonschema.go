package config

import (
	"encoding/json"
	"strconv"
)

// object is a part of a JSON schema.
type object = map[string]any

// JSONSchema is the form of a configuration file as a JSON schema (draft 2020-12), for editors.
//
// Errors: those of package encoding/json.
func JSONSchema() ([]byte, error) {
	image := object{}
	for _, k := range Keys(TableImage) {
		if !k.NoFile {
			image[k.Name] = k.schema()
		}
	}
	tables := imageTables()
	for name, t := range tables {
		image[name] = t
	}
	top, ofServer := object{}, []string{"image"}
	for _, table := range []string{TableServer, TableImage} {
		for _, k := range Keys(table) {
			if k.NoFile {
				continue
			}
			top[k.InOneImage()] = k.schema()
			if table == TableServer {
				ofServer = append(ofServer, k.Name)
			}
		}
	}
	for name, t := range tables {
		top[name] = t
	}
	several := object{"type": "array", "minItems": 1, "maxItems": ImagesMax, "items": object{
		"type": "object", "properties": image, "required": []string{"path"}, "additionalProperties": false,
	}}
	top["image"] = object{"description": top["image"].(object)["description"], "anyOf": []any{top["image"], several}}
	return json.MarshalIndent(object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "configuration of pmemfs serve",
		"type": "object", "properties": top, "additionalProperties": false,
		"if":   object{"properties": object{"image": object{"type": "array"}}, "required": []string{"image"}},
		"then": object{"propertyNames": object{"enum": ofServer}},
	}, "", "  ")
}

// imageTables are the tables that an image has.
func imageTables() object {
	keep := tableSchema(TableKeep)
	keep["minProperties"] = 1
	snapshots := tableSchema(TableSnapshots)
	snapshots["properties"].(object)["keep"] = keep
	snapshots["required"] = append(snapshots["required"].([]string), "keep")
	quota := tableSchema(TableQuota)
	quota["oneOf"] = []any{object{"required": []string{"user"}}, object{"required": []string{"group"}}, object{"required": []string{"path"}}}
	quota["anyOf"] = []any{object{"required": []string{"bytes"}}, object{"required": []string{"soft_bytes"}},
		object{"required": []string{"files"}}, object{"required": []string{"soft_files"}}}
	return object{
		"export":    object{"type": "array", "items": tableSchema(TableExport)},
		"snapshots": object{"type": "array", "items": snapshots, "maxItems": schedulesMax},
		"quota":     object{"type": "array", "items": quota},
		"limits":    tableSchema(TableLimits),
	}
}

// tableSchema describes a table.
func tableSchema(table string) object {
	properties, required := object{}, []string{}
	for _, k := range Keys(table) {
		properties[k.Name] = k.schema()
		if k.Needed {
			required = append(required, k.Name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// variableIn is the pattern of a string that has a variable of the environment.
const variableIn = `\$\{`

// schema describes the value of a key.
func (k *Key) schema() object {
	about := k.Doc
	if k.Absent != "" {
		about += " (default: " + k.Absent + ")"
	}
	one := k.Kind.schema()
	if k.List {
		one = object{"type": "array", "minItems": 1, "items": one}
	}
	one["description"] = about
	if k.Default != "" {
		one["default"] = k.defaultValue()
	}
	return one
}

// defaultValue is the default as JSON has it.
func (k *Key) defaultValue() any {
	switch k.Kind.shape {
	case aBool:
		return k.Default == "true"
	case anInteger, aNumber:
		return json.Number(k.Default)
	}
	return k.Default
}

// schema describes a value.
func (k *Kind) schema() object {
	switch k.shape {
	case aBool:
		return object{"type": "boolean"}
	case anInteger:
		if k.values != nil {
			var list []any
			for _, v := range k.values {
				list = append(list, json.Number(v))
			}
			return object{"enum": list}
		}
		number := object{"type": "integer", "minimum": json.Number(strconv.FormatInt(k.least, 10))}
		if k.most > 0 {
			number["maximum"] = json.Number(strconv.FormatInt(k.most, 10))
		}
		return number
	case aNumber:
		return object{"type": "number", "exclusiveMinimum": 0, "maximum": 1}
	}
	switch {
	case k.values != nil:
		return object{"type": "string", "anyOf": []any{object{"enum": k.values}, object{"pattern": variableIn}}}
	case k.pattern != "":
		return object{"type": "string", "pattern": "(" + k.pattern + ")|" + variableIn}
	}
	return object{"type": "string", "minLength": 1}
}
