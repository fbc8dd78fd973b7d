// Command deploycheck reads deployment files with the code of those who define them, for deploy/check.
//
//	deploycheck compose FILE    a compose file as Docker Compose reads it: schema, interpolation, includes; prints the whole project as JSON
//	deploycheck operator        PodMonitors and PrometheusRules from standard input, as the Prometheus Operator's types; a key that they do not have is an error
//
// The exit code is 1 where something is wrong, and says what.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "compose":
		err = compose(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "operator":
		err = operator(os.Stdin)
	default:
		err = errors.New("usage: deploycheck compose FILE, or deploycheck operator <FILE")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compose(file string) error {
	// Values come from the environment alone, so that a .env beside the file changes nothing.
	options, err := cli.NewProjectOptions([]string{file}, cli.WithOsEnv, cli.WithInterpolation(true))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func operator(input io.Reader) error {
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	var problems []error
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		problems = append(problems, one(document))
	}
	return errors.Join(problems...)
}

func one(document []byte) error {
	var head metav1.PartialObjectMetadata
	if err := strict.Unmarshal(document, &head); err != nil {
		return err
	}
	var object any
	switch head.APIVersion + " " + head.Kind {
	case "monitoring.coreos.com/v1 PodMonitor":
		object = new(monitoring.PodMonitor)
	case "monitoring.coreos.com/v1 PrometheusRule":
		object = new(monitoring.PrometheusRule)
	default:
		return fmt.Errorf("%s %s %s is none of the Prometheus Operator's", head.APIVersion, head.Kind, head.Name)
	}
	if err := strict.UnmarshalStrict(document, object); err != nil {
		return fmt.Errorf("%s %s: %w", head.Kind, head.Name, err)
	}
	fmt.Printf("%s %s\n", head.Kind, head.Name)
	return nil
}
