package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// decodeString reads a text, one of the enum if there is one.
func decodeString(ctx *kong.DecodeContext, target reflect.Value) error {
	s, err := pop(ctx)
	if err != nil {
		return err
	}
	if enum := ctx.Value.EnumSlice(); ctx.Value.Enum != "" && !slices.Contains(enum, s) {
		return fmt.Errorf("%q is not allowed: use one of %s", s, strings.Join(enum, ", "))
	}
	target.SetString(s)
	return nil
}

func pop(ctx *kong.DecodeContext) (string, error) {
	if ctx.Scan.Peek().IsEOL() {
		return "", errors.New("a value has to follow")
	}
	var s string
	if err := ctx.Scan.PopValueInto("value", &s); err != nil {
		return "", err
	}
	if s == "" {
		return "", errors.New("the value is empty: give one, or leave the setting out")
	}
	return s, nil
}

// number reads a value of a signed integer kind within the bounds that its tags say.
func number(parse func(string) (int64, error), what string) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		s, err := pop(ctx)
		if err != nil {
			return err
		}
		low, high := ctx.Value.Tag.Get("min"), ctx.Value.Tag.Get("max")
		least, err := parse(low)
		if err != nil {
			return fmt.Errorf("tag min: %w", err)
		}
		most, err := parse(high)
		if err != nil {
			return fmt.Errorf("tag max: %w", err)
		}
		n, err := parse(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not allowed: use %s from %s to %s", s, what, low, high)
		}
		target.SetInt(n)
		return nil
	}
}

func parseInt(s string) (int64, error) { return strconv.ParseInt(s, 10, strconv.IntSize) }

func parseDuration(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	return int64(d), err
}

// units are tried in this order, as all end in B.
var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}

// parseSize reads a number of bytes with or without a unit.
func parseSize(s string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("%q is not a size", s)
		}
		return int64(n) * u.bytes, nil
	}
	return 0, fmt.Errorf("%q is not a size", s)
}

func address(check func(host string, port uint64) bool, form string) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		s, err := pop(ctx)
		if err != nil {
			return err
		}
		host, portName, err := net.SplitHostPort(s)
		port, portErr := strconv.ParseUint(portName, 10, 16)
		if err != nil || portErr != nil || strings.ContainsAny(host, "/ @") || !check(host, port) {
			return fmt.Errorf("%q is not allowed: use %s", s, form)
		}
		target.SetString(s)
		return nil
	}
}

func checkListen(string, uint64) bool { return true }

func checkDial(host string, port uint64) bool { return host != "" && port != 0 }
