// Package config reads the settings of a program from its command line, its environment and a file.
//
// Settings are fields of a struct with the tags of kong. The flag --http-listen is also the variable
// GITSTORE_HTTP_LISTEN and the key http_listen of the file; a flag wins over the variable, that over the file, and that
// over the default. An empty value is a wrong one, not an absent one.
//
// Beside kong's own tags and types there are
//
//	min, max       bounds, needed by every int, time.Duration and size
//	type:"size"    an int64 of bytes, written such as 64MiB
//	type:"listen"  a string, the address of a listener: the host may be empty, the port 0
//	type:"dial"    a string, the address of another service
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// ErrDone is what [Parse] returns after it printed what --help or --version ask for.
var ErrDone = errors.New("nothing is left to do")

// Program describes a program to its users.
type Program struct {
	// Name is the command's name.
	Name string
	// Description says what the program is for, in a sentence or two.
	Description string
	// Version is printed by --version.
	Version string
}

// Common are the settings of every service, to be embedded.
type Common struct {
	Config  file             `placeholder:"FILE" help:"File of settings in YAML or JSON: the flags' names with _ for -. Flags and variables win over it."`
	Version kong.VersionFlag `env:"-" help:"Print version, commit and toolchain, and exit."`

	LogLevel  string `group:"logs" default:"info" enum:"debug,info,warn,error" help:"Least level of what is logged."`
	LogFormat string `group:"logs" default:"json" enum:"json,text" help:"Format of the log on standard error."`

	DrainDelay   time.Duration `group:"stop" default:"0s" min:"0s" max:"5m" help:"How long to go on serving after SIGTERM while health says no, for load balancers to notice."`
	DrainTimeout time.Duration `group:"stop" default:"10s" min:"1s" max:"1h" help:"How long calls under way may take to end before they are broken off."`
}

// Base returns the common settings of a struct that embeds them.
func (c *Common) Base() *Common { return c }

// wrong is an error of settings.
type wrong struct {
	flags []string
	error
}

func (w *wrong) Error() string { return strings.Join(w.flags, ", ") + ": " + w.error.Error() }

func (w *wrong) Unwrap() error { return w.error }

// Wrong says in a method Validate() what is wrong with settings, given as flags such as "--http-listen"; [Parse] adds where they
// came from. It returns nil for nil.
func Wrong(err error, flags ...string) error {
	if err == nil {
		return nil
	}
	return &wrong{flags, err}
}

// Parse fills target, a pointer to a struct, from the arguments (without the program's name), the environment and the
// file. If the struct has a method Validate() error, that has the last word; it returns what [Wrong] makes. An error names the
// setting, where it came from and what is allowed. It returns [ErrDone] if --help or --version was asked for, after writing it to stdout.
func Parse(p Program, target any, args []string, stdout io.Writer) error {
	done := false
	exit := kong.Exit(func(int) { done = true })
	parser, err := newParser(p, target, kong.Writers(stdout, io.Discard), exit)
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	if done {
		return ErrDone
	}
	failed, isParse := errors.AsType[*kong.ParseError](err)
	if w, ok := errors.AsType[*wrong](err); ok && isParse {
		if from := origins(failed.Context, w.flags); len(from) > 0 {
			return fmt.Errorf("%w (from %s)", err, strings.Join(from, " and "))
		}
	}
	return err
}

// origins tells where the values of flags came from that are neither on the command line nor defaults. It leaves out the values,
// which may hold a secret.
func origins(ctx *kong.Context, names []string) []string {
	var from []string
	for _, flag := range ctx.Model.Flags {
		if !slices.Contains(names, "--"+flag.Name) {
			continue
		}
		given := slices.IndexFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag })
		if given >= 0 && ctx.Path[given].Resolved {
			from = append(from, fmt.Sprintf("key %s of %q", key(flag), filePath(ctx)))
		} else if _, ok := os.LookupEnv(flag.Envs[0]); ok && given < 0 {
			from = append(from, "envar "+flag.Envs[0])
		}
	}
	return from
}

func newParser(p Program, target any, opts ...kong.Option) (*kong.Kong, error) {
	return kong.New(target, append(opts,
		kong.Name(p.Name), kong.Description(p.Description), kong.Vars{"version": p.Name + " " + p.Version},
		kong.DefaultEnvars("GITSTORE"),
		kong.ValueFormatter(formatHelp),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}),
		kong.Groups{"listen": "Listening", "git": "Git", "pushes": "Pushes", "limits": "Limits", "events": "Events", "catalog": "Catalogs", "logs": "Logs", "stop": "Stopping"},
		kong.KindMapper(reflect.String, kong.MapperFunc(decodeString)),
		kong.KindMapper(reflect.Int, number(parseInt, "a whole number")),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), number(parseDuration, "a duration")),
		kong.NamedMapper("size", number(parseSize, "a size")),
		kong.NamedMapper("listen", address(checkListen, "host:port, such as 127.0.0.1:8080 or, for all interfaces, :8080")),
		kong.NamedMapper("dial", address(checkDial, "host:port, such as 127.0.0.1:50051")),
	)...)
}

// List splits a setting that names several things with commas between them; an empty one names none.
func List(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// formatHelp puts behind a flag's help what else may set it and what is allowed.
func formatHelp(v *kong.Value) string {
	var notes []string
	if allowed := allowed(v); allowed != "" {
		notes = append(notes, allowed)
	}
	if len(v.Tag.Envs) > 0 {
		notes = append(notes, "$"+v.Tag.Envs[0])
	}
	if len(notes) == 0 {
		return v.Help
	}
	return v.Help + " (" + strings.Join(notes, "; ") + ")"
}

// allowed describes the values that a setting may have, "" if there is nothing to say.
func allowed(v *kong.Value) string {
	switch {
	case v.Enum != "":
		return strings.Join(v.EnumSlice(), ", ")
	case v.Tag.Has("min"):
		return v.Tag.Get("min") + " to " + v.Tag.Get("max")
	case v.Tag.Type == "listen" || v.Tag.Type == "dial":
		return "host:port"
	case v.IsBool() && len(v.Tag.Envs) > 0:
		return "true, false"
	}
	return ""
}

// Setting is one setting of a program, as its documentation tells it.
type Setting struct {
	// Flag, Env and Key are its names on the command line, in the environment and in the file. Env and Key are empty
	// for what can only be a flag; Key is empty for the file's own name.
	Flag, Env, Key string
	// Default is what holds if nobody says otherwise, "" for nothing.
	Default string
	// Allowed describes the values it may have, "" for any text.
	Allowed string
	Help    string
}

// Settings lists the settings of target in the order of its fields.
func Settings(target any) ([]Setting, error) {
	parser, err := newParser(Program{}, target)
	if err != nil {
		return nil, err
	}
	var settings []Setting
	for _, f := range parser.Model.Flags {
		if f == parser.Model.HelpFlag {
			continue
		}
		s := Setting{Flag: "--" + f.Name, Default: f.Default, Allowed: allowed(f.Value), Help: f.Help}
		if len(f.Envs) > 0 {
			s.Env = f.Envs[0]
		}
		if inFile(f) {
			s.Key = key(f)
		}
		settings = append(settings, s)
	}
	return settings, nil
}
