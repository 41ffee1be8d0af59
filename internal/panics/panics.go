// Package panics takes panics from the goroutines that work for a call to whoever made it. Nobody else can recover from them:
// they would end the process, for the sake of what one caller sent or somebody committed.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a panic that was caught. It is for the log: it has the stack.
type Error struct {
	// Value is what the code panicked with.
	Value any
	// Stack is that of the goroutine at that time.
	Stack []byte
}

// Error returns the value and the stack.
func (e *Error) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Caught calls fn and returns what it fails with: an [*Error] if the code panics in it.
func Caught(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Error{v, debug.Stack()}
		}
	}()
	return fn()
}
