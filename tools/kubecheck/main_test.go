package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const base = "../../deploy/kubernetes"

func TestTheBaseIsRight(t *testing.T) {
	if err := check(base); err != nil {
		t.Error(err)
	}
}

func TestMistakesAreFound(t *testing.T) {
	for name, test := range map[string]struct{ file, old, new, want string }{
		"file that is not named": {"kustomization.yaml", "  - network-policy.yaml\n", "", "does not name network-policy.yaml"},
		"file that is not there": {"kustomization.yaml", "- api.yaml", "- other.yaml", "no such file"},
		"image of nobody":        {"kustomization.yaml", "name: gitstore-api", "name: other", "no container has the image other"},
		"field that is unknown":  {"api.yaml", "minReplicas", "leastReplicas", "unknown field"},
		"value of another type":  {"api.yaml", "minReplicas: 3", "minReplicas: three", "cannot unmarshal"},
		"pods of another label":  {"api.yaml", "matchLabels: {app.kubernetes.io/name: gitstore-api}", "matchLabels: {app: other}", "does not select"},
		"service without pods":   {"api.yaml", "selector: {app.kubernetes.io/name: gitstore-api}", "selector: {app: other}", "selects no pods"},
		"service without port":   {"api.yaml", "targetPort: http", "targetPort: grpc", "have no port grpc"},
		"policy without port":    {"network-policy.yaml", "port: 50051", "port: 50052", "have no port 50052"},
		"set without service":    {"git-service.yaml", "serviceName: gitstore-git-service-pods", "serviceName: other", "there is no Service other"},
		"image that is writable": {"api.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "may write"},
		"root":                   {"git-service.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"},
		"probe of no port":       {"api.yaml", "path: /healthz, port: http", "path: /healthz, port: events", "does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, test.file)
			data, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(data), test.old) {
				t.Fatalf("%s has no %q: %v", test.file, test.old, err)
			}
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), test.old, test.new)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := check(dir); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
