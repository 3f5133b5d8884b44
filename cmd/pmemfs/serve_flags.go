package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"pmemfs/server/config"
)

// serveFlags are the options of serve, one for each key of a configuration that has one.
type serveFlags struct {
	options []*option
}

// option is what the command line says of a key. It keeps the words: what they mean is told when all layers are known.
type option struct {
	key   *config.Key
	texts []string // nil if it is not there
}

// Set adds a value; of a key that has one, the last counts.
func (o *option) Set(text string) error {
	if !o.key.List {
		o.texts = nil
	}
	o.texts = append(o.texts, text)
	return nil
}

// Type is what help calls a value.
func (o *option) Type() string { return o.key.Kind.Name() }

// String is the default, for help, and then what was said.
func (o *option) String() string {
	if o.texts == nil && o.key != nil {
		return o.key.Default
	}
	return strings.Join(o.texts, " ")
}

func newServeFlags() *serveFlags {
	f := &serveFlags{}
	for _, k := range config.Options() {
		f.options = append(f.options, &option{key: k})
	}
	return f
}

func (f *serveFlags) add(flags *pflag.FlagSet) {
	for _, o := range f.options {
		flag := flags.VarPF(o, o.key.Flag(), "", o.key.Help())
		if o.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// words are what the command line says.
func (f *serveFlags) words() config.Words {
	words := config.Words{}
	for _, o := range f.options {
		if o.texts != nil {
			words[o.key] = o.texts
		}
	}
	return words
}

// sources are where a configuration comes from. The environment and the command line stay as they are while the server runs; the file is read anew.
type sources struct {
	image       string // argument
	options     config.Words
	environment config.Words
	file        string // "" for none
}

// sources finds out where the configuration comes from.
//
// Errors: config.Mistakes of the environment, and an option that is empty where it says which file to read.
func (f *serveFlags) sources(args []string) (s sources, err error) {
	s.options = f.words()
	if s.environment, err = config.Environment(os.Environ()); err != nil {
		return s, err
	}
	if len(args) == 1 {
		if s.image = args[0]; s.image == "" {
			return s, errors.New("no image is named")
		}
	}
	for _, words := range []config.Words{s.environment, s.options} {
		for k, texts := range words {
			if k.Name != "config" {
				continue
			}
			if s.file = texts[0]; s.file == "" {
				return s, errors.New("--config is empty: leave it out for the default")
			}
		}
	}
	return s, nil
}

// load reads the file, and lays the other sources over it.
//
// Errors: those of config.Read and config.Resolve.
func (s *sources) load() (*config.File, *config.InForce, error) {
	var file *config.File
	if s.file != "" {
		var err error
		if file, err = config.Read(s.file, os.LookupEnv); err != nil {
			return nil, nil, err
		}
	}
	next, err := config.Resolve(file, s.environment, s.options, s.image)
	return file, next, err
}

// namesExports reports whether the file names exports of an image.
func namesExports(file *config.File) bool {
	return file != nil && slices.ContainsFunc(file.Images, func(i config.Image) bool { return len(i.Exports) > 0 })
}
