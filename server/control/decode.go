package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
)

// bodyMax bounds what a request may say, in bytes.
const bodyMax = 1 << 20

// badRequest is an error that says what is wrong with a request.
func badRequest(format string, args ...any) error {
	return &Error{Code: codeRequest, Message: fmt.Sprintf(format, args...)}
}

// readBody reads what there may be of a body.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	switch {
	case err != nil:
		return nil, badRequest("the body did not arrive: %v", err)
	case len(body) > bodyMax:
		return nil, badRequest("the body is longer than %d bytes", bodyMax)
	}
	return body, nil
}

// decode reads a request into what v points to, and takes nothing for granted: what it does not know, it refuses.
func decode(r *http.Request, v any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query: %v", err)
	}
	if r.Method != http.MethodPost {
		if len(body) > 0 {
			return badRequest("%s has no body", r.Method)
		}
		return fromQuery(query, reflect.ValueOf(v).Elem())
	}
	if len(query) > 0 {
		return badRequest("%s has no query: its parameters are in the body", r.Method)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != mediaType {
		return badRequest("the body is to be %s, by its Content-Type", mediaType)
	}
	return fromJSON(body, v)
}

// fromJSON reads exactly one JSON value that has nothing unknown.
func fromJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("the body: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body goes on behind its value")
	}
	return vetRequired(text, reflect.TypeOf(v).Elem())
}

// vetRequired demands that every field is there that may not be left out.
func vetRequired(text []byte, t reflect.Type) error {
	var there map[string]json.RawMessage
	if err := json.Unmarshal(text, &there); err != nil {
		return badRequest("the body: %v", err)
	}
	for _, name := range structSchema(t)["required"].([]string) {
		if there[name] == nil {
			return badRequest("the body has no %q", name)
		}
	}
	return nil
}

// fromQuery reads parameters into the fields of a struct, which are text, numbers or truth values.
func fromQuery(query url.Values, v reflect.Value) error {
	fields := make(map[string]reflect.Value)
	for i := range v.NumField() {
		fields[jsonName(v.Type().Field(i))] = v.Field(i)
	}
	for name, values := range query {
		field, ok := fields[name]
		switch {
		case !ok:
			return badRequest("there is no parameter %q", name)
		case len(values) != 1:
			return badRequest("parameter %q is there %d times", name, len(values))
		}
		if err := setText(field, values[0]); err != nil {
			return badRequest("parameter %q: %v", name, err)
		}
	}
	return nil
}

// setText sets a field to what a text says.
func setText(field reflect.Value, text string) error {
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		field.SetBool(b)
		return err
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, field.Type().Bits())
		field.SetInt(n)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, field.Type().Bits())
		field.SetUint(n)
		return err
	default:
		return fmt.Errorf("a %v cannot be in a query", field.Kind())
	}
	return nil
}

// toQuery is the inverse of fromQuery; what is zero is left out.
func toQuery(v reflect.Value) url.Values {
	query := make(url.Values)
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() {
			query.Set(jsonName(v.Type().Field(i)), fmt.Sprint(f.Interface()))
		}
	}
	return query
}
