package control

import (
	"context"
	"net/http"

	"pmemfs/pmemfs"
)

// Steering is how a server that runs tells its configuration, and gets another.
type Steering struct {
	Configuration func() ConfigurationReply
	Reload        func(ctx context.Context) (ReloadReply, error)
}

// ConfigurationValue is the value of a key.
type ConfigurationValue struct {
	Image string `json:"image,omitempty" doc:"path of the image that it is about; not there for the whole server"`
	Table string `json:"table" doc:"server, image, export, snapshots, keep, quota or limits"`
	Of    string `json:"of,omitempty" doc:"which of several tables: the name of the export, the prefix of the schedule, or whose the quota is"`
	Key   string `json:"key" doc:"name in the configuration file"`
	Value string `json:"value" doc:"what counts; a password is not shown"`
	From  string `json:"from" doc:"where it comes from: default, FILE:LINE, or the name of the variable or the option"`
	Live  bool   `json:"live" doc:"a reload applies another value; else it counts at the next start"`
}

// ConfigurationReply is the configuration in force.
type ConfigurationReply struct {
	File   string               `json:"file,omitempty" doc:"configuration file, if there is one"`
	Values []ConfigurationValue `json:"values" doc:"all keys"`
}

// ConfigurationChange is a key whose value differs from before.
type ConfigurationChange struct {
	Image string `json:"image,omitempty" doc:"path of the image that it is about"`
	Key   string `json:"key" doc:"name of the key, with its table"`
	Now   string `json:"now" doc:"value before; empty if there was none"`
	Next  string `json:"next" doc:"value that the configuration has now; empty if there is none"`
}

// ReloadReply is what a reload has come to.
type ReloadReply struct {
	Applied    []ConfigurationChange `json:"applied" doc:"what counts from now on"`
	Restart    []ConfigurationChange `json:"restart" doc:"what counts at the next start only"`
	Overridden []string              `json:"overridden" doc:"keys of the file beside which an option or a variable counts"`
}

// Configuration tells the configuration in force.
var Configuration = Operation[None, ConfigurationReply]{
	Method: http.MethodGet, Path: "/v1/config", Summary: "Tells the configuration in force, and where each value comes from.", Public: true, Whole: true,
	Do: func(_ context.Context, i Image, _ None) (ConfigurationReply, error) {
		if i.Steering == nil {
			return ConfigurationReply{}, errNotServed
		}
		return i.Steering.Configuration(), nil
	},
}

// Reload reads the configuration anew.
var Reload = Operation[None, ReloadReply]{
	Method: http.MethodPost, Path: "/v1/reload", Summary: "Reads the configuration file anew and applies what can be applied, or nothing.", Whole: true,
	Again: "the file is read once more, and there is nothing left to apply.",
	Do: func(ctx context.Context, i Image, _ None) (ReloadReply, error) {
		if i.Steering == nil {
			return ReloadReply{}, errNotServed
		}
		reply, err := i.Steering.Reload(ctx)
		if err != nil {
			return reply, &refusal{err}
		}
		return reply, nil
	},
}

// refusal makes an error about a configuration the request's: nothing is wrong with the server.
type refusal struct{ error }

// Unwrap returns what the server said, and what a client is told.
func (r *refusal) Unwrap() []error { return []error{r.error, pmemfs.ErrInvalid} }
