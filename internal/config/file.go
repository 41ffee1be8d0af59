package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxFile is the largest file of settings, in bytes; one that is larger is some other file.
const maxFile = 1 << 20

// file is the path of a file of settings. As a flag it has them read before they are needed.
type file string

// BeforeResolve is called by kong once it knows the path. The value that it is called on is not yet the flag's.
func (file) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(file)
	if !ok || path == "" {
		return nil
	}
	f, err := readFile(string(path))
	if err == nil {
		err = f.checkKeys(ctx.Model.Flags)
	}
	if err != nil {
		return fmt.Errorf("settings file %q: %w", path, err)
	}
	ctx.AddResolver(f)
	return nil
}

// filePath is the path of the file that the settings were read from.
func filePath(ctx *kong.Context) file {
	for _, flag := range ctx.Model.Flags {
		if path, ok := flag.Target.Interface().(file); ok {
			return path
		}
	}
	return ""
}

// settingsFile resolves flags from what a file says.
type settingsFile struct {
	path   string
	values map[string]yaml.Node
}

func readFile(path string) (*settingsFile, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = src.Close() }()
	b, err := io.ReadAll(io.LimitReader(src, maxFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	f := &settingsFile{path: path}
	if err := yaml.Unmarshal(b, &f.values); err != nil {
		return nil, err
	}
	return f, nil
}

// withoutPath leaves out the path, which the message has already.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

func (f *settingsFile) checkKeys(flags []*kong.Flag) error {
	var known []string
	for _, flag := range flags {
		if inFile(flag) {
			known = append(known, key(flag))
		}
	}
	slices.Sort(known)
	for k, v := range f.values {
		if !slices.Contains(known, k) {
			return fmt.Errorf("unknown key %q in line %d: use one of %s", k, v.Line, strings.Join(known, ", "))
		}
	}
	return nil
}

// key is the flag's name in a file.
func key(flag *kong.Flag) string { return strings.ReplaceAll(flag.Name, "-", "_") }

// inFile tells settings from flags that are about the command line itself.
func inFile(flag *kong.Flag) bool {
	return len(flag.Envs) > 0 && flag.Target.Type() != reflect.TypeFor[file]()
}

// Validate implements [kong.Resolver]; the keys were checked already.
func (f *settingsFile) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver]. To kong a resolver wins over the environment; to us it does not.
func (f *settingsFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	node, ok := f.values[key(flag)]
	if !ok || !inFile(flag) {
		return nil, nil
	}
	if _, ok := os.LookupEnv(flag.Envs[0]); ok {
		return nil, nil
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return nil, f.errorf(flag, "use a single value")
	}
	scan := kong.Scan().PushTyped(node.Value, kong.FlagValueToken)
	trial := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, trial); err != nil {
		return nil, f.errorf(flag, "%w", err)
	}
	return node.Value, nil
}

func (f *settingsFile) errorf(flag *kong.Flag, format string, args ...any) error {
	return fmt.Errorf("%w (from key %s of %q)", fmt.Errorf(format, args...), key(flag), f.path)
}
