// The command kubecheck checks a directory of Kubernetes manifests without a cluster: every file is named in
// kustomization.yaml, every object has only fields that its type has, every selector finds pods of the directory, and
// every variable is a setting that the documentation of the services lists.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kubecheck DIRECTORY CONFIGURATION.md")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// kustomization has the fields that the base uses; kustomize's own types would bring many modules with them.
type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Resources       []string `json:"resources"`
	Images          []struct {
		Name   string `json:"name"`
		NewTag string `json:"newTag"`
	} `json:"images"`
}

// pods are what a workload makes.
type pods struct {
	labels labels.Set
	spec   corev1.PodSpec
}

// manifests are the objects of a directory by what is checked of them.
type manifests struct {
	pods     []pods
	services map[string]*corev1.Service
	// workloads are names such as Deployment/api.
	workloads map[string]bool
	later     []func() error
}

func check(dir, configuration string) error {
	const name = "kustomization.yaml"
	all, err := readSettings(configuration)
	if err != nil {
		return err
	}
	var k kustomization
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := strict.UnmarshalStrict(data, &k); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		if base := filepath.Base(file); base != name && !slices.Contains(k.Resources, base) {
			errs = append(errs, fmt.Errorf("%s does not name %s", name, base))
		}
	}
	m := manifests{services: map[string]*corev1.Service{}, workloads: map[string]bool{}}
	for _, file := range k.Resources {
		if err := m.read(filepath.Join(dir, file)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	// What objects say of each other is checked when all are known.
	for _, later := range m.later {
		errs = append(errs, later())
	}
	images := map[string]bool{}
	for _, p := range m.pods {
		for _, c := range p.spec.Containers {
			images[c.Image] = true
			errs = append(errs, hardened(p.spec, c), all.check(p.spec, c))
		}
	}
	for _, image := range k.Images {
		if !images[image.Name] {
			errs = append(errs, fmt.Errorf("%s: no container has the image %s", name, image.Name))
		}
	}
	return errors.Join(errs...)
}

// read takes in the objects of a file.
func (m *manifests) read(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	defer documents.Close()
	// The decoder hands out a whole document if the buffer holds it, as one of the file's size does.
	buf := make([]byte, len(data)+1)
	for {
		n, err := documents.Read(buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.add(buf[:n]); err != nil {
			return err
		}
	}
}

// add takes in one object.
func (m *manifests) add(document []byte) error {
	var t metav1.TypeMeta
	if err := strict.Unmarshal(document, &t); err != nil {
		return err
	}
	var err error
	switch t.APIVersion + " " + t.Kind {
	case "v1 Service":
		o := &corev1.Service{}
		err = strict.UnmarshalStrict(document, o)
		m.services[o.Name] = o
		m.later = append(m.later, func() error { return m.service(o) })
	case "apps/v1 Deployment":
		o := &appsv1.Deployment{}
		err = strict.UnmarshalStrict(document, o)
		m.workload(t.Kind, o.Name, o.Spec.Selector, o.Spec.Template)
	case "apps/v1 StatefulSet":
		o := &appsv1.StatefulSet{}
		err = strict.UnmarshalStrict(document, o)
		// Each pod has a volume for each claim, as if it named them.
		for _, claim := range o.Spec.VolumeClaimTemplates {
			o.Spec.Template.Spec.Volumes = append(o.Spec.Template.Spec.Volumes, corev1.Volume{Name: claim.Name})
		}
		m.workload(t.Kind, o.Name, o.Spec.Selector, o.Spec.Template)
		m.later = append(m.later, func() error {
			if m.services[o.Spec.ServiceName] == nil {
				return fmt.Errorf("StatefulSet %s: there is no Service %s", o.Name, o.Spec.ServiceName)
			}
			return nil
		})
	case "autoscaling/v2 HorizontalPodAutoscaler":
		o := &autoscalingv2.HorizontalPodAutoscaler{}
		err = strict.UnmarshalStrict(document, o)
		m.later = append(m.later, func() error {
			if ref := o.Spec.ScaleTargetRef; !m.workloads[ref.Kind+"/"+ref.Name] {
				return fmt.Errorf("HorizontalPodAutoscaler %s: there is no %s %s", o.Name, ref.Kind, ref.Name)
			}
			return nil
		})
	case "policy/v1 PodDisruptionBudget":
		o := &policyv1.PodDisruptionBudget{}
		err = strict.UnmarshalStrict(document, o)
		m.selects("PodDisruptionBudget "+o.Name, o.Spec.Selector, nil)
	case "networking.k8s.io/v1 NetworkPolicy":
		o := &networkingv1.NetworkPolicy{}
		err = strict.UnmarshalStrict(document, o)
		m.policy(o)
	default:
		return fmt.Errorf("nothing is known of %s %s", t.APIVersion, t.Kind)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.Kind, err)
	}
	return nil
}

// workload takes in what makes pods, which have to be those that it selects.
func (m *manifests) workload(kind, name string, selector *metav1.LabelSelector, template corev1.PodTemplateSpec) {
	m.workloads[kind+"/"+name] = true
	p := pods{template.Labels, template.Spec}
	m.pods = append(m.pods, p)
	m.later = append(m.later, func() error {
		if found, err := m.find(selector); err != nil || len(found) != 1 || !maps.Equal(found[0].labels, p.labels) {
			return fmt.Errorf("%s %s does not select its own pods alone: %v", kind, name, err)
		}
		return nil
	})
}

// service checks that a Service leads to ports of its pods.
func (m *manifests) service(o *corev1.Service) error {
	found, err := m.find(&metav1.LabelSelector{MatchLabels: o.Spec.Selector})
	if err != nil || len(found) == 0 {
		return fmt.Errorf("service %s selects no pods: %v", o.Name, err)
	}
	for _, port := range o.Spec.Ports {
		if !listens(found, port.TargetPort) {
			return fmt.Errorf("service %s: its pods have no port %s", o.Name, port.TargetPort.String())
		}
	}
	return nil
}

// policy checks that a NetworkPolicy speaks of pods and ports that there are.
func (m *manifests) policy(o *networkingv1.NetworkPolicy) {
	name := "NetworkPolicy " + o.Name
	for _, rule := range o.Spec.Ingress {
		m.selects(name, &o.Spec.PodSelector, rule.Ports)
		for _, peer := range rule.From {
			m.selects(name, peer.PodSelector, nil)
		}
	}
	for _, rule := range o.Spec.Egress {
		for _, peer := range rule.To {
			if peer.NamespaceSelector == nil {
				m.selects(name, peer.PodSelector, rule.Ports)
			}
		}
	}
}

// selects makes sure that a selector finds pods, and that they have the ports.
func (m *manifests) selects(who string, selector *metav1.LabelSelector, ports []networkingv1.NetworkPolicyPort) {
	m.later = append(m.later, func() error {
		found, err := m.find(selector)
		if err != nil || len(found) == 0 {
			return fmt.Errorf("%s selects no pods: %v", who, err)
		}
		for _, port := range ports {
			if port.Port != nil && !listens(found, *port.Port) {
				return fmt.Errorf("%s: its pods have no port %s", who, port.Port.String())
			}
		}
		return nil
	})
}

func (m *manifests) find(selector *metav1.LabelSelector) (found []pods, err error) {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, err
	}
	for _, p := range m.pods {
		if s.Matches(p.labels) {
			found = append(found, p)
		}
	}
	return found, nil
}

// listens tells whether all pods have a port.
func listens(all []pods, port intstr.IntOrString) bool {
	for _, p := range all {
		if !slices.ContainsFunc(p.spec.Containers, func(c corev1.Container) bool { return hasPort(c, port) }) {
			return false
		}
	}
	return true
}

func hasPort(c corev1.Container, port intstr.IntOrString) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return port.Type == intstr.String && p.Name == port.StrVal ||
			port.Type == intstr.Int && p.ContainerPort == port.IntVal
	})
}

// hardened checks that a container meets the Pod Security Standard "restricted", writes nothing outside its volumes, and
// that its probes ask at ports and its mounts name volumes that there are.
func hardened(pod corev1.PodSpec, c corev1.Container) error {
	yes := func(b *bool) bool { return b != nil && *b }
	p, s := pod.SecurityContext, c.SecurityContext
	if p == nil || !yes(p.RunAsNonRoot) || p.SeccompProfile == nil ||
		p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		return fmt.Errorf("container %s: its pod may run as root or without seccomp", c.Name)
	}
	if s == nil || !yes(s.ReadOnlyRootFilesystem) || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
		s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0 {
		return fmt.Errorf("container %s may write to its image or gain privileges", c.Name)
	}
	if c.LivenessProbe == nil || c.ReadinessProbe == nil {
		return fmt.Errorf("container %s is not probed", c.Name)
	}
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe != nil && (probe.HTTPGet == nil || !hasPort(c, probe.HTTPGet.Port)) {
			return fmt.Errorf("container %s is probed at a port that it does not have", c.Name)
		}
	}
	for _, mount := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name }) {
			return fmt.Errorf("container %s mounts %s, which is no volume of its pod", c.Name, mount.Name)
		}
	}
	return nil
}

// settings are the variables of each service with their defaults. A service has the name of its image.
type settings map[string]map[string]string

// setting is a row of a service's table: flag, variable, default.
var setting = regexp.MustCompile("^\\| `--[a-z-]+` \\| `(GITSTORE_[A-Z_]+)` \\| (?:`([^`]+)`|–) \\|")

func readSettings(file string) (settings, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all, service := settings{}, ""
	for line := range strings.Lines(string(data)) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			service = strings.TrimSpace(heading)
			all[service] = map[string]string{}
		} else if row := setting.FindStringSubmatch(line); row != nil && service != "" {
			all[service][row[1]] = row[2]
		}
	}
	return all, nil
}

// check checks that a container is given only settings that its service has, and that it is not killed while it drains.
func (s settings) check(pod corev1.PodSpec, c corev1.Container) error {
	if len(s[c.Image]) == 0 {
		return fmt.Errorf("container %s: the documentation has no settings of %s", c.Name, c.Image)
	}
	values := maps.Clone(s[c.Image])
	for _, v := range c.Env {
		if _, ok := values[v.Name]; !ok && strings.HasPrefix(v.Name, "GITSTORE_") {
			return fmt.Errorf("container %s: %s has no setting %s", c.Name, c.Image, v.Name)
		}
		values[v.Name] = v.Value
	}
	var drain time.Duration
	for _, name := range []string{"GITSTORE_DRAIN_DELAY", "GITSTORE_DRAIN_TIMEOUT"} {
		d, err := time.ParseDuration(values[name])
		if err != nil {
			return fmt.Errorf("container %s: %s of %s: %w", c.Name, name, c.Image, err)
		}
		drain += d
	}
	grace := 30 * time.Second
	if pod.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	}
	if grace <= drain {
		return fmt.Errorf("container %s is killed after %v, and may drain for %v", c.Name, grace, drain)
	}
	return nil
}
