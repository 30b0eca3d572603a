package sdk

import (
	"cmp"
	"encoding/json/v2"
	"fmt"
	"slices"
)

// question is one lookup: for the document with an id, or for those that meet conditions.
type question struct {
	table string
	// Empty where the conditions count.
	id         string
	isFind     bool
	limit      uint32
	conditions []Condition
}

// key tells questions apart.
func (asked question) key() string {
	parts := []any{asked.table, asked.isFind, asked.limit, asked.id}
	for _, condition := range asked.conditions {
		parts = append(parts, condition.at, condition.test, condition.values)
	}
	// Texts, numbers and lists of texts always are JSON.
	text, _ := json.Marshal(parts)
	return string(text)
}

// sharesACall tells whether one call of the host can answer both.
func (asked question) sharesACall(other question) bool {
	return asked.table == other.table && asked.isFind == other.isFind && asked.limit == other.limit
}

// found is what a question led to.
type found struct {
	documents []*Document
	failure   *Failure
}

// answers are what the host has answered so far, for one batch. They live no longer than the batch, because only within
// a batch do all lookups see the same state of the store.
type answers map[string]found

// fetch asks the host, with as few calls as there are tables and kinds of lookups.
func (known answers) fetch(questions map[string]question, host Host) {
	type keyed struct {
		key string
		question
	}
	var asked []keyed
	for key, question := range questions {
		asked = append(asked, keyed{key, question})
	}
	// Always in the same order.
	slices.SortFunc(asked, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	for len(asked) > 0 {
		first := asked[0].question
		end := slices.IndexFunc(asked, func(other keyed) bool { return !first.sharesACall(other.question) })
		if end < 0 {
			end = len(asked)
		}
		group := asked[:end]
		asked = asked[end:]
		questions := make([]question, len(group))
		for place, keyed := range group {
			questions[place] = keyed.question
		}
		results, failure := ask(questions, host)
		if failure == nil && len(results) != len(group) {
			message := fmt.Sprintf("the host gave %d answers to %d lookups", len(results), len(group))
			failure = &Failure{Code: "lookup-store", Message: message}
		}
		for place, keyed := range group {
			if failure != nil {
				known[keyed.key] = found{failure: failure}
			} else {
				known[keyed.key] = found{documents: results[place]}
			}
		}
	}
}

// ask makes one call of the host.
func ask(questions []question, host Host) ([][]*Document, *Failure) {
	first := questions[0]
	if first.isFind {
		queries := make([][]Condition, len(questions))
		for place, question := range questions {
			queries[place] = question.conditions
		}
		return host.FindMany(first.table, queries, first.limit)
	}
	ids := make([]string, len(questions))
	for place, question := range questions {
		ids[place] = question.id
	}
	documents, failure := host.GetMany(first.table, ids)
	results := make([][]*Document, len(documents))
	for place, document := range documents {
		if document != nil {
			results[place] = []*Document{document}
		}
	}
	return results, failure
}
