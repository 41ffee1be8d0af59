package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	base          = "../../deploy/kubernetes"
	configuration = "../../docs/configuration.md"
)

func TestTheBaseIsRight(t *testing.T) {
	if err := check(base, configuration); err != nil {
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
		"mount of no volume":     {"git-service.yaml", "{name: data, mountPath", "{name: other, mountPath", "mounts other"},
		"setting of nobody":      {"api.yaml", "GITSTORE_EVENTS_URL", "GITSTORE_EVENT_URL", "gitstore-api has no setting GITSTORE_EVENT_URL"},
		"setting of the other":   {"git-service.yaml", "GITSTORE_DRAIN_TIMEOUT, value: 10s", "GITSTORE_CATALOGS, value: shop", "gitstore-git-service has no setting"},
		"service of nobody":      {"api.yaml", "image: gitstore-api", "image: other", "no settings of other"},
		"kill while it drains":   {"api.yaml", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 15", "killed after 15s"},
		"drain of the default":   {"git-service.yaml", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 10", "may drain for 10s"},
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
			if err := check(dir, configuration); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
