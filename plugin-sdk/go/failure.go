package sdk

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
)

// Failure is why one document could not be migrated: it is quarantined, and the run goes on.
//
// Return it, or panic with it from anywhere. Its text is stored and shown: put no secrets into it.
type Failure struct {
	// Code is for machines: stable, lower-case words joined by hyphens.
	Code string
	// Message is for people.
	Message string
	// Pointer is the JSON Pointer of the field that is to blame; empty for none.
	Pointer string
}

// Fail makes a failure.
func Fail(code, message string) Failure {
	return Failure{Code: code, Message: message}
}

// At is the same failure, with the JSON Pointer of the field that is to blame.
func (failure Failure) At(pointer string) Failure {
	failure.Pointer = pointer
	return failure
}

// Error is the message.
func (failure Failure) Error() string { return failure.Message }

// ofPanic makes a failure of what was recovered.
func ofPanic(recovered any) Failure {
	err, isError := recovered.(error)
	var failure Failure
	if isError && errors.As(err, &failure) {
		return failure
	}
	message := fmt.Sprint(recovered)
	if place := panickedAt(); place != "" {
		message += " (" + place + ")"
	}
	return Fail("panic", message)
}

// panickedAt is the innermost line of the plugin's package that panicked.
func panickedAt() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "main.") {
			return fmt.Sprintf("%s:%d", path.Base(frame.File), frame.Line)
		}
		if !more {
			return ""
		}
	}
}
