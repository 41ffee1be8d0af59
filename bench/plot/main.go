// Command plot draws a figure, which it reads as JSON from its standard input, as SVG to the file that it is given. The
// background is white, so that it can be read on a light page and on a dark one.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figure is what internal/testkit/figure writes.
type figure struct {
	Panels []panel
}

type panel struct {
	Title, X, Y string
	// LogX and LogY ask for logarithmic axes.
	LogX, LogY bool
	Lines      []line
}

type line struct {
	Name   string
	Points [][2]float64
}

// The colours are those of Okabe and Ito, which the colour-blind tell apart.
var colours = []color.Color{
	color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff},
	color.RGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff}, color.RGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff},
	color.RGBA{A: 0xff},
}

const (
	columns = 2
	width   = 15 * vg.Centimeter
	height  = 10 * vg.Centimeter
	// perLegend is the height of one entry of a legend.
	perLegend = 0.5 * vg.Centimeter
	// fewPoints get a mark each.
	fewPoints = 30
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: plot FILE <figure.json")
	}
	var f figure
	if err := json.NewDecoder(os.Stdin).Decode(&f); err != nil {
		return err
	}
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
	rows := (len(f.Panels) + columns - 1) / columns
	across := vg.Length(min(columns, len(f.Panels)))
	image := vgsvg.New(across*width, vg.Length(rows)*height)
	canvas := draw.New(image)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	tiles := draw.Tiles{Rows: rows, Cols: int(across), PadTop: vg.Millimeter * 3, PadBottom: vg.Millimeter * 3, PadLeft: vg.Millimeter * 3, PadRight: vg.Millimeter * 5, PadX: vg.Millimeter * 8, PadY: vg.Millimeter * 6}
	for i, p := range f.Panels {
		if err := p.draw(tiles.At(canvas, i%columns, i/columns)); err != nil {
			return fmt.Errorf("%s: %w", p.Title, err)
		}
	}
	return write(os.Args[1], image)
}

func write(name string, image *vgsvg.Canvas) error {
	var svg bytes.Buffer
	if _, err := image.WriteTo(&svg); err != nil {
		return err
	}
	// Who has not got the font gets one that is as wide, and not one with serifs.
	family := []byte("font-family:Liberation Sans")
	content := bytes.ReplaceAll(svg.Bytes(), family, append(family, ",Arial,Helvetica,sans-serif"...))
	return os.WriteFile(name, content, 0o644)
}

// draw draws the panel with its legend below.
func (p panel) draw(canvas draw.Canvas) error {
	drawn := plot.New()
	drawn.Title.Text, drawn.X.Label.Text, drawn.Y.Label.Text = p.Title, p.X, p.Y
	drawn.Title.Padding = 2 * vg.Millimeter
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{Y: 0xdd}, color.Gray{Y: 0xdd}
	drawn.Add(grid)
	legend := plot.NewLegend()
	legend.Left, legend.Top, legend.Padding = true, true, vg.Millimeter
	for i, l := range p.Lines {
		if err := l.add(drawn, &legend, colours[i%len(colours)]); err != nil {
			return fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	axis(&drawn.X, p.LogX)
	axis(&drawn.Y, p.LogY)
	below := perLegend * vg.Length(len(p.Lines))
	drawn.Draw(draw.Crop(canvas, 0, 0, below+2*vg.Millimeter, 0))
	legend.Draw(draw.Crop(canvas, vg.Centimeter, 0, 0, below-canvas.Max.Y+canvas.Min.Y))
	return nil
}

func (l line) add(drawn *plot.Plot, legend *plot.Legend, c color.Color) error {
	points := make(plotter.XYs, len(l.Points))
	for i, p := range l.Points {
		points[i] = plotter.XY{X: p[0], Y: p[1]}
	}
	path, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	path.Color, marks.Color = c, c
	path.Width, marks.Shape, marks.Radius = vg.Points(1.5), draw.CircleGlyph{}, vg.Points(2.5)
	drawn.Add(path)
	if len(points) <= fewPoints {
		drawn.Add(marks)
	}
	legend.Add(l.Name, path)
	return nil
}

// axis scales an axis. A linear one begins at 0: small changes are to look small.
func axis(a *plot.Axis, logarithmic bool) {
	if !logarithmic {
		a.Min = 0
		if a.Max <= 0 {
			a.Max = 1
		}
		a.Tick.Marker = readable{plot.DefaultTicks{}}
		return
	}
	a.Scale = plot.LogScale{}
	// The powers of ten are what has labels.
	a.Min, a.Max = math.Pow(10, math.Floor(math.Log10(a.Min))), math.Pow(10, math.Ceil(math.Log10(a.Max)))
	a.Tick.Marker = readable{plot.LogTicks{Prec: -1}}
}

// readable labels ticks with figures as people write them.
type readable struct{ plot.Ticker }

// Ticks implements [plot.Ticker].
func (r readable) Ticks(low, high float64) []plot.Tick {
	ticks := r.Ticker.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = number(t.Value)
		}
	}
	return ticks
}

// number writes a number with commas at the thousands.
func number(f float64) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(math.Round(f*1e6)/1e6, 'f', -1, 64), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}
