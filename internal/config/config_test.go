package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitstore-dev/gitstore/internal/config"
)

type settings struct {
	config.Common
	HTTPListen string `name:"http-listen" group:"listen" type:"listen" default:"127.0.0.1:8080" help:"Where to listen."`
	GitAddress string `type:"dial" default:"127.0.0.1:50051" help:"Where to call."`
	MaxBody    int64  `group:"limits" type:"size" default:"1GiB" min:"1B" max:"1TiB" help:"Largest body."`
	Workers    int    `group:"limits" default:"4" min:"1" max:"64" help:"Workers."`
	Reflection bool   `help:"Serve reflection."`
	Name       string `default:"GitStore" help:"A name."`
}

func (s *settings) Validate() error {
	if s.Name == "nobody" {
		return config.Wrong(errors.New("nobody is not allowed"), "--name")
	}
	if s.Name == "many" && s.Workers < 5 {
		return config.Wrong(errors.New("there are too few"), "--name", "--workers")
	}
	return nil
}

var program = config.Program{Name: "tool", Description: "A tool.", Version: "v1.2.3 (commit abc)"}

func parse(args ...string) (settings, error) {
	var s settings
	err := config.Parse(program, &s, args, new(bytes.Buffer))
	return s, err
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsHoldWhereNothingIsSaid(t *testing.T) {
	got, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	want := settings{HTTPListen: "127.0.0.1:8080", GitAddress: "127.0.0.1:50051", MaxBody: 1 << 30, Workers: 4, Name: "GitStore"}
	want.LogLevel, want.LogFormat, want.DrainTimeout = "info", "json", 10*time.Second
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	t.Setenv("GITSTORE_CONFIG", write(t, "settings.yaml", `
# a comment
workers: 11
max_body: 11MiB
name: from the file
reflection: true
drain_timeout: 11s
`))
	t.Setenv("GITSTORE_WORKERS", "22")
	t.Setenv("GITSTORE_MAX_BODY", "22MiB")
	t.Setenv("GITSTORE_HTTP_LISTEN", ":22")
	got, err := parse("--workers=33", "--git-address", "git:33")
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers != 33 || got.GitAddress != "git:33" {
		t.Errorf("flags did not win: %+v", got)
	}
	if got.MaxBody != 22<<20 || got.HTTPListen != ":22" {
		t.Errorf("the environment did not win over the file: %+v", got)
	}
	if got.Name != "from the file" || !got.Reflection || got.DrainTimeout != 11*time.Second {
		t.Errorf("the file did not win over the defaults: %+v", got)
	}
}

func TestTheFileMayBeJSON(t *testing.T) {
	path := write(t, "settings.json", "{\n\t\"workers\": 7,\n\t\"name\": \"seven\",\n\t\"reflection\": true\n}\n")
	got, err := parse("--config", path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Workers != 7 || got.Name != "seven" || !got.Reflection {
		t.Errorf("got %+v", got)
	}
}

func TestAnEmptyFileSaysNothing(t *testing.T) {
	if _, err := parse("--config", write(t, "settings.yaml", "")); err != nil {
		t.Fatal(err)
	}
}

func TestSizesHaveUnits(t *testing.T) {
	for text, want := range map[string]int64{
		"17": 17, "17B": 17, "17KiB": 17 << 10, "17MiB": 17 << 20, "17GiB": 17 << 30, "1TiB": 1 << 40,
	} {
		got, err := parse("--max-body", text)
		if err != nil || got.MaxBody != want {
			t.Errorf("--max-body %s is %d, %v, want %d", text, got.MaxBody, err, want)
		}
	}
}

func TestAWrongSettingIsNamedWithWhatIsAllowed(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  map[string]string
		file string
		want []string
	}{
		"unknown flag":             {args: []string{"--wrokers=1"}, want: []string{"unknown flag --wrokers", `"--workers"`}},
		"unexpected argument":      {args: []string{"serve"}, want: []string{"unexpected argument serve"}},
		"no value":                 {args: []string{"--workers"}, want: []string{"--workers: a value has to follow"}},
		"a flag for a value":       {args: []string{"--name", "--workers"}, want: []string{"--name", `"--workers"`}},
		"not a number":             {args: []string{"--workers=many"}, want: []string{"--workers", `"many"`, "a whole number from 1 to 64"}},
		"too small":                {args: []string{"--workers=0"}, want: []string{"--workers", `"0"`, "from 1 to 64"}},
		"too large":                {args: []string{"--workers=65"}, want: []string{"--workers", "from 1 to 64"}},
		"beyond any number":        {args: []string{"--workers=99999999999999999999"}, want: []string{"--workers", "from 1 to 64"}},
		"no such choice":           {args: []string{"--log-level=loud"}, want: []string{"--log-level", `"loud"`, "debug, info, warn, error"}},
		"choice of another case":   {args: []string{"--log-format=JSON"}, want: []string{"--log-format", "json, text"}},
		"duration without a unit":  {args: []string{"--drain-timeout=5"}, want: []string{"--drain-timeout", "a duration from 1s to 1h"}},
		"duration of nothing":      {args: []string{"--drain-timeout=0s"}, want: []string{"--drain-timeout", "from 1s to 1h"}},
		"negative duration":        {args: []string{"--drain-delay=-1s"}, want: []string{"--drain-delay", "from 0s to 5m"}},
		"size with a wrong unit":   {args: []string{"--max-body=5MB"}, want: []string{"--max-body", "a size from 1B to 1TiB"}},
		"size beyond 63 bits":      {args: []string{"--max-body=9999999999GiB"}, want: []string{"--max-body", "1TiB"}},
		"size with a fraction":     {args: []string{"--max-body=1.5GiB"}, want: []string{"--max-body", "a size"}},
		"negative size":            {args: []string{"--max-body=-1"}, want: []string{"--max-body", "a size"}},
		"address without a port":   {args: []string{"--http-listen=localhost"}, want: []string{"--http-listen", "host:port"}},
		"address with a port name": {args: []string{"--http-listen=:http"}, want: []string{"--http-listen", "host:port"}},
		"address beyond ports":     {args: []string{"--http-listen=:65536"}, want: []string{"--http-listen", "host:port"}},
		"address that is a URL":    {args: []string{"--git-address=http://git:1"}, want: []string{"--git-address", "host:port"}},
		"no host to call":          {args: []string{"--git-address=:50051"}, want: []string{"--git-address", "host:port"}},
		"no port to call":          {args: []string{"--git-address=git:0"}, want: []string{"--git-address", "host:port"}},
		"empty text":               {args: []string{"--name="}, want: []string{"--name", "empty"}},
		"what only Validate knows": {args: []string{"--name=nobody"}, want: []string{"--name: nobody is not allowed"}},
		"what only Validate knows, of a variable": {
			env: map[string]string{"GITSTORE_NAME": "nobody"}, file: "name: other",
			want: []string{"--name: nobody is not allowed (from envar GITSTORE_NAME)"},
		},
		"what only Validate knows, of a key": {file: "name: nobody", want: []string{"--name: nobody is not allowed (from key name of ", `settings.yaml")`}},
		"what only Validate knows, of several": {
			env: map[string]string{"GITSTORE_WORKERS": "3"}, file: "name: many",
			want: []string{"--name, --workers: there are too few (from envar GITSTORE_WORKERS and key name of "},
		},
		"what only Validate knows, of a flag that outdoes a variable": {
			args: []string{"--name=many"}, env: map[string]string{"GITSTORE_NAME": "other", "GITSTORE_WORKERS": "3"},
			want: []string{"--name, --workers: there are too few (from envar GITSTORE_WORKERS)"},
		},
		"wrong variable": {
			env:  map[string]string{"GITSTORE_WORKERS": "x"},
			want: []string{"--workers", `GITSTORE_WORKERS="x"`, "from 1 to 64"},
		},
		"wrong variable that the file would outdo": {
			env: map[string]string{"GITSTORE_WORKERS": "x"}, file: "workers: 1",
			want: []string{`GITSTORE_WORKERS="x"`, "from 1 to 64"},
		},
		"empty variable": {
			env:  map[string]string{"GITSTORE_HTTP_LISTEN": ""},
			want: []string{"--http-listen", "empty", "GITSTORE_HTTP_LISTEN"},
		},
		"variable that is no truth value": {
			env:  map[string]string{"GITSTORE_REFLECTION": "maybe"},
			want: []string{"--reflection", "true", "false", "GITSTORE_REFLECTION"},
		},
		"unknown key":          {file: "workers: 1\nwrokers: 2\n", want: []string{`"wrokers"`, "line 2", "http_listen", "workers"}},
		"key of a flag only":   {file: "version: true", want: []string{`unknown key "version"`}},
		"file that names one":  {file: "config: other.yaml", want: []string{`unknown key "config"`}},
		"wrong value of a key": {file: "workers: 100", want: []string{"--workers", "from 1 to 64", "key workers", "settings.yaml"}},
		"list for a value":     {file: "workers: [1, 2]", want: []string{"--workers", "a single value", "key workers"}},
		"nothing for a value":  {file: "name:", want: []string{"--name", "a single value", "key name"}},
		"key given twice":      {file: "workers: 1\nworkers: 2", want: []string{"settings.yaml", `"workers" already defined`}},
		"file that is no map":  {file: "- workers", want: []string{"settings.yaml", "line 1"}},
		"file with an alias":   {file: "workers: &n 1\nname: *n", want: []string{"--name", "a single value"}},
		"file that is no YAML": {file: "workers: [1", want: []string{"settings.yaml", "line 1"}},
		"no such file":         {args: []string{"--config=nowhere.yaml"}, want: []string{`"nowhere.yaml"`, "no such file"}},
		"file too large":       {file: strings.Repeat("#", 1<<20+1), want: []string{"settings.yaml", "larger"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			if tt.file != "" {
				t.Setenv("GITSTORE_CONFIG", write(t, "settings.yaml", tt.file))
			}
			_, err := parse(tt.args...)
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") && tt.file == "" {
				t.Errorf("%q has more than one line", err)
			}
		})
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	var out bytes.Buffer
	if err := config.Parse(program, new(settings), []string{"--help", "--workers=2"}, &out); !errors.Is(err, config.ErrDone) {
		t.Fatal(err)
	}
	all, err := config.Settings(new(settings))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, s := range all {
		if !strings.Contains(text, s.Flag) || !strings.Contains(text, s.Env) || !strings.Contains(text, s.Allowed) {
			t.Errorf("--help leaves out some of %+v", s)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestHelpIsGivenWhateverElseIsWrong(t *testing.T) {
	t.Setenv("GITSTORE_WORKERS", "x")
	var out bytes.Buffer
	if err := config.Parse(program, new(settings), []string{"--help"}, &out); !errors.Is(err, config.ErrDone) || out.Len() == 0 {
		t.Errorf("--help with a wrong variable ends in %v and %d bytes", err, out.Len())
	}
}

func TestVersionIsOneLine(t *testing.T) {
	var out bytes.Buffer
	if err := config.Parse(program, new(settings), []string{"--version"}, &out); !errors.Is(err, config.ErrDone) {
		t.Fatal(err)
	}
	if want := "tool v1.2.3 (commit abc)\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestSettingsAreNamedAlikeEverywhere(t *testing.T) {
	all, err := config.Settings(new(settings))
	if err != nil {
		t.Fatal(err)
	}
	byFlag := map[string]config.Setting{}
	for _, s := range all {
		byFlag[s.Flag] = s
	}
	for _, want := range []config.Setting{
		{Flag: "--http-listen", Env: "GITSTORE_HTTP_LISTEN", Key: "http_listen", Default: "127.0.0.1:8080", Allowed: "host:port", Help: "Where to listen."},
		{Flag: "--max-body", Env: "GITSTORE_MAX_BODY", Key: "max_body", Default: "1GiB", Allowed: "1B to 1TiB", Help: "Largest body."},
	} {
		if got := byFlag[want.Flag]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if s := byFlag["--version"]; s.Env != "" || s.Key != "" {
		t.Errorf("--version is more than a flag: %+v", s)
	}
	if s := byFlag["--config"]; s.Env != "GITSTORE_CONFIG" || s.Key != "" {
		t.Errorf("--config is no variable, or a key: %+v", s)
	}
}
