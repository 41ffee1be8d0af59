// Package figure writes what was measured: as CSV and as plots, which bench/plot draws.
package figure

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Panel is one plot.
type Panel struct {
	Title, X, Y string
	// LogX and LogY ask for logarithmic axes, whose values have to be above 0.
	LogX, LogY bool
	Lines      []Line
}

// Line is a row of points.
type Line struct {
	Name string
	// Points are pairs of x and y.
	Points [][2]float64
}

// Draw draws panels, two beside each other, into an SVG file. root is the directory of this module.
func Draw(ctx context.Context, root, file string, panels ...Panel) error {
	input, err := json.Marshal(struct{ Panels []Panel }{panels})
	if err != nil {
		return err
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	draw := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "bench", "plot"), ".", file)
	draw.Stdin = bytes.NewReader(input)
	if out, err := draw.CombinedOutput(); err != nil {
		return fmt.Errorf("drawing %s: %w: %s", file, err, out)
	}
	return nil
}

// WriteCSV writes rows, the first of which holds the names of the columns.
func WriteCSV(file string, rows [][]string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(f).WriteAll(rows), f.Close())
}
