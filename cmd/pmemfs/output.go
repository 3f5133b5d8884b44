package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// outputForm is the form in which a command prints what it found: table, json or yaml.
type outputForm struct {
	form   string
	asJSON bool
}

func (o *outputForm) add(flags *pflag.FlagSet) {
	flags.StringVarP(&o.form, "output", "o", "table", "form of what is printed: table, json or yaml")
	flags.BoolVar(&o.asJSON, "json", false, "the same as --output json")
}

// vet refuses a form that there is none of.
func (o *outputForm) vet() error {
	if o.asJSON {
		if o.form != "table" && o.form != "json" {
			return fmt.Errorf("--json and --output %s are two forms: choose one", o.form)
		}
		o.form = "json"
	}
	switch o.form {
	case "table", "json", "yaml":
		return nil
	}
	return fmt.Errorf("--output is table, json or yaml, not %q", o.form)
}

// print prints v, as a table by the function.
func (o *outputForm) print(w io.Writer, v any, table func(io.Writer) error) error {
	switch o.form {
	case "json":
		return printJSON(w, v)
	case "yaml":
		text, err := yaml.Marshal(v)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	return table(w)
}
