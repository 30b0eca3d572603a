package sdk

// test is which of the interface's tests a condition makes.
type test uint8

const (
	present test = iota
	missing
	equals
	notEquals
	lessThan
	atLeast
	oneOf
)

// Condition is a test of one field; At makes it.
type Condition struct {
	at   string
	test test
	// JSON texts.
	values []string
}

// Field is a field, about to be tested.
type Field struct{ at string }

// At begins a condition on the field that a JSON Pointer (RFC 6901) leads to.
func At(pointer string) Field { return Field{at: pointer} }

// Present: there is a value, null included; in a row table it is not NULL.
func (field Field) Present() Condition { return field.compared(present) }

// Missing: there is no value, not even null; in a row table it is NULL.
func (field Field) Missing() Condition { return field.compared(missing) }

// IsNull: the value is null.
func (field Field) IsNull() Condition { return field.Equals(nil) }

// Equals: the value is this one. Numbers compare by value: 1, 1.0 and 1e0 are equal.
func (field Field) Equals(value any) Condition { return field.compared(equals, value) }

// NotEquals: the value is another one, or there is none.
func (field Field) NotEquals(value any) Condition { return field.compared(notEquals, value) }

// LessThan: both are numbers, or both are strings, and the document's comes first.
func (field Field) LessThan(value any) Condition { return field.compared(lessThan, value) }

// AtLeast: both are numbers, or both are strings, and the document's is the same or comes after.
func (field Field) AtLeast(value any) Condition { return field.compared(atLeast, value) }

// OneOf: the value is one of these.
func (field Field) OneOf(values ...any) Condition { return field.compared(oneOf, values...) }

func (field Field) compared(test test, values ...any) Condition {
	texts := make([]string, len(values))
	for place, value := range values {
		texts[place] = encode(value, field.at)
	}
	return Condition{at: field.at, test: test, values: texts}
}
