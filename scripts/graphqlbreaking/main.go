// Command graphqlbreaking compares two GraphQL schemas, each the .graphqls files of a directory, the older first. It
// prints what of the second breaks clients of the first, a line each, and ends with status 1 if there is anything.
package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: graphqlbreaking OLD_DIRECTORY NEW_DIRECTORY")
	}
	var schemas [2]*ast.Schema
	for i := range schemas {
		var err error
		if schemas[i], err = load(os.Args[i+1]); err != nil {
			fail(err)
		}
	}
	if found := breaking(schemas[0], schemas[1]); len(found) > 0 {
		fail(strings.Join(found, "\n"))
	}
}

func fail(why any) {
	_, _ = fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

func load(dir string) (*ast.Schema, error) {
	tree := os.DirFS(dir)
	files, err := fs.Glob(tree, "*.graphqls")
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no .graphqls files", dir)
	}
	if err != nil {
		return nil, err
	}
	var sources []*ast.Source
	for _, file := range files {
		text, err := fs.ReadFile(tree, file)
		if err != nil {
			return nil, err
		}
		sources = append(sources, &ast.Source{Name: file, Input: string(text)})
	}
	return gqlparser.LoadSchema(sources...)
}

// breaking returns what of after breaks clients of before, in the order of the names of the types. The rules are those
// of findBreakingChanges of GraphQL's reference implementation (graphql-js, src/utilities/findBreakingChanges.ts).
func breaking(before, after *ast.Schema) []string {
	var found []string
	tell := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(before.Types)) {
		was, is := before.Types[name], after.Types[name]
		switch {
		case is == nil:
			tell("the type %s is gone", name)
		case was.Kind != is.Kind:
			tell("the type %s was of kind %s and is of kind %s", name, was.Kind, is.Kind)
		case was.Kind == ast.InputObject:
			inputs(tell, name, inputsOf(was.Fields), inputsOf(is.Fields))
		default:
			members(tell, was, is)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Directives)) {
		was, is := before.Directives[name], after.Directives[name]
		if is == nil {
			tell("the directive @%s is gone", name)
			continue
		}
		inputs(tell, "@"+name, argumentsOf(was.Arguments), argumentsOf(is.Arguments))
		for _, l := range was.Locations {
			if !slices.Contains(is.Locations, l) {
				tell("the directive @%s may no longer be at %s", name, l)
			}
		}
		if was.IsRepeatable && !is.IsRepeatable {
			tell("the directive @%s may no longer be repeated", name)
		}
	}
	return found
}

// members compares what a type is made of that is read.
func members(tell func(string, ...any), was, is *ast.Definition) {
	for _, f := range was.Fields {
		g := is.Fields.ForName(f.Name)
		where := was.Name + "." + f.Name
		if g == nil {
			tell("the field %s is gone", where)
			continue
		}
		if !readsAs(f.Type, g.Type) {
			tell("the field %s was %s and is %s", where, f.Type, g.Type)
		}
		inputs(tell, where, argumentsOf(f.Arguments), argumentsOf(g.Arguments))
	}
	for _, v := range was.EnumValues {
		if is.EnumValues.ForName(v.Name) == nil {
			tell("the value %s.%s is gone", was.Name, v.Name)
		}
	}
	for _, t := range was.Types {
		if !slices.Contains(is.Types, t) {
			tell("the union %s no longer has %s", was.Name, t)
		}
	}
	for _, i := range was.Interfaces {
		if !slices.Contains(is.Interfaces, i) {
			tell("the type %s no longer implements %s", was.Name, i)
		}
	}
}

// input is an argument, or a field of an input object.
type input struct {
	kind *ast.Type
	// needed says that a client has to give it.
	needed bool
}

func inputsOf(fields ast.FieldList) map[string]input {
	all := make(map[string]input, len(fields))
	for _, f := range fields {
		all[f.Name] = input{f.Type, f.Type.NonNull && f.DefaultValue == nil}
	}
	return all
}

func argumentsOf(arguments ast.ArgumentDefinitionList) map[string]input {
	all := make(map[string]input, len(arguments))
	for _, a := range arguments {
		all[a.Name] = input{a.Type, a.Type.NonNull && a.DefaultValue == nil}
	}
	return all
}

// inputs compares what clients may give at a place.
func inputs(tell func(string, ...any), where string, was, is map[string]input) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if now, ok := is[name]; !ok {
			tell("the input %s of %s is gone", name, where)
		} else if !takes(was[name].kind, now.kind) || now.needed && !was[name].needed {
			tell("the input %s of %s was %s and is %s", name, where, was[name].kind, now.kind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, ok := was[name]; !ok && is[name].needed {
			tell("the input %s of %s is new and has to be given", name, where)
		}
	}
}

// readsAs says whether what is of the type is can be read by those who expect was.
func readsAs(was, is *ast.Type) bool {
	if was.NonNull && !is.NonNull || (was.Elem == nil) != (is.Elem == nil) {
		return false
	}
	if was.Elem == nil {
		return was.NamedType == is.NamedType
	}
	return readsAs(was.Elem, is.Elem)
}

// takes says whether whatever could be given for was can be given for is. A list does not take what its items do: that
// holds for values that are written in the query, not for variables.
func takes(was, is *ast.Type) bool { return readsAs(is, was) }
