package catalog

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDigits is how long a number may be as it is written.
	maxDigits = 1000
	// maxExponent bounds what a short number can stand for: comparing two takes as many digits as they have written out.
	maxExponent = 1000
)

func isNumber(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!int" || n.ShortTag() == "!!float")
}

// isBoundedNumber reports whether a number is within the limits.
func isBoundedNumber(s string) bool {
	if len(s) > maxDigits {
		return false
	}
	if strings.HasPrefix(strings.TrimLeft(s, "+-"), "0x") {
		return true // its "e" is a digit
	}
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return true
	}
	e, err := strconv.Atoi(strings.ReplaceAll(s[i+1:], "_", ""))
	return err != nil || -maxExponent <= e && e <= maxExponent
}

// jsonNumber returns a number of YAML as one of JSON with the same value, false where JSON has none, such as for .nan.
func jsonNumber(n *yaml.Node) (json.Number, bool) {
	s := n.Value
	if isJSONNumber(s) {
		return json.Number(s), true
	}
	s = strings.ReplaceAll(s, "_", "")
	if n.ShortTag() == "!!int" {
		if i, ok := new(big.Int).SetString(s, 0); ok {
			return json.Number(i.String()), true
		}
	}
	s = decimal(s)
	return json.Number(s), isJSONNumber(s)
}

// numberPattern is a number as people write one into a query.
var numberPattern = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// literal reads a number of a query, false for what is none or beyond the limits of numbers.
func literal(s string) (number, bool) {
	if !numberPattern.MatchString(s) || !isBoundedNumber(s) {
		return number{}, false
	}
	return value{decimal(s), valueNumber}.number()
}

func isJSONNumber(s string) bool {
	return s != "" && strings.IndexByte("-0123456789", s[0]) >= 0 && json.Valid([]byte(s))
}

// decimal writes a decimal number the way of JSON: with a digit on both sides of the point, and without a plus or zeros
// in front.
func decimal(s string) string {
	sign := ""
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		sign, s = "-", rest
	}
	s = strings.TrimPrefix(s, "+")
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction + exponent
}
