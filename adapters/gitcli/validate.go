package gitcli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/ports"
)

const (
	// maxValidating is how many pushes are validated at a time. More wait, within the time that each has.
	maxValidating = 2
	// maxToldProblems is the most problems of a push that the client and the log are told one by one.
	maxToldProblems = 20
)

var (
	// errInvalid is why a ref is refused of which there are problems.
	errInvalid = errs.New(errs.ReasonInvalidDocument, "catalog invalid")
	// errValidationTimeout is the end of a validation that takes too long.
	errValidationTimeout = errors.New("validation timeout")
)

// findings are what a validator says of a push.
type findings struct {
	// told are the first problems, and counts how many there are of each ref.
	told   []ports.PushProblem
	counts map[git.RefName]int
	total  int
	// unknown is why the push could not be judged; nil if it was.
	unknown error
}

// validate has what the changes bring judged if the policy wants it, and refuses commands that are invalid. It reports
// whether there are such. Nobody but the client waits for it. It holds for the changes if they are made from where the refs
// are: of each command the writer asks that anew.
func (p *push) validate(ctx context.Context, q *quarantine, policy repository.Policy, changes []repository.RefChange) (refused bool, err error) {
	refs, err := pushedRefs(ctx, q, policy, changes)
	if err != nil || len(refs) == 0 {
		return false, err
	}
	start := time.Now()
	found := p.judge(ctx, q, refs)
	if ctx.Err() != nil {
		return false, errs.From(context.Cause(ctx))
	}
	p.repo.store.validated(time.Since(start), found)
	enforced := policy.Validation == repository.EnforceValid
	p.reply.say(found.lines(refs, enforced)...)
	if found.total > 0 || found.unknown != nil {
		p.logFindings(ctx, found, policy.Validation)
	}
	if enforced {
		refused = p.refuse(refs, found)
	}
	return refused, nil
}

// pushedRefs are the changes that the policy wants to be judged.
func pushedRefs(ctx context.Context, q *quarantine, policy repository.Policy, changes []repository.RefChange) ([]ports.PushedRef, error) {
	var refs []ports.PushedRef
	for _, c := range changes {
		if c.New.IsZero() || !policy.Validates(c.Name) || q.repo.store.opts.Validator == nil {
			continue
		}
		commit, _, err := q.objects.Peel(ctx, c.New)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ports.PushedRef{Name: c.Name, Old: c.Old, New: c.New, Commit: commit})
	}
	return refs, nil
}

// judge asks the validator, when it is the push's turn, for as long as there is time.
func (p *push) judge(ctx context.Context, q *quarantine, refs []ports.PushedRef) findings {
	s := p.repo.store
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.ValidationTimeout, errValidationTimeout)
	defer cancel()
	found := findings{counts: map[git.RefName]int{}}
	if found.unknown = s.validating.Acquire(ctx, 1); found.unknown == nil {
		defer s.validating.Release(1)
		// Only its methods that read can be reached through it.
		contents := struct{ ports.RepositoryReader }{&gitRepository{store: s, id: p.repo.id, pushed: q}}
		for problem, err := range s.opts.Validator.ValidatePush(ctx, ports.PushedRefs{Repository: p.repo.id, Contents: contents, Refs: refs, Options: p.req.options}) {
			if err != nil {
				found.unknown = err
				break
			}
			found.add(problem)
		}
	}
	if found.unknown == nil && ctx.Err() != nil {
		found.unknown = ctx.Err()
	}
	if found.unknown != nil && errors.Is(context.Cause(ctx), errValidationTimeout) {
		found.unknown = errs.Wrap(errValidationTimeout, errs.ReasonResourceExhausted,
			fmt.Sprintf("the catalog could not be checked within %s: push less at once, or ask the operator for more time", s.opts.ValidationTimeout))
	}
	return found
}

func (f *findings) add(p ports.PushProblem) {
	f.total++
	f.counts[p.Ref]++
	if len(f.told) < maxToldProblems {
		f.told = append(f.told, p)
	}
}

// refuse refuses the commands of refs that are not known to be valid.
func (p *push) refuse(refs []ports.PushedRef, found findings) (refused bool) {
	validated := make(map[git.RefName]bool, len(refs))
	for _, r := range refs {
		validated[r.Name] = true
	}
	for i := range p.req.commands {
		c := &p.req.commands[i]
		switch {
		case c.refused != nil || c.update.New.IsZero() || !validated[c.update.Name]:
			continue
		case found.counts[c.update.Name] > 0:
			c.refused = errInvalid
		case found.unknown != nil:
			c.refused = found.unknown
		default:
			continue
		}
		refused = true
	}
	return refused
}

// lines are what a person in front of the client reads: of each ref how many problems there are, and the first.
func (f *findings) lines(refs []ports.PushedRef, enforced bool) []string {
	outcome := "is taken all the same"
	if enforced {
		outcome = "is refused"
	}
	var lines []string
	shown := 0
	for _, r := range refs {
		var of []string
		for _, t := range f.told {
			if t.Ref == r.Name {
				of = append(of, plain(t.String(), maxProblemLine))
			}
		}
		if len(of) > 0 {
			problems := fmt.Sprintf("%d problems", f.counts[r.Name])
			if f.counts[r.Name] == 1 {
				problems = "1 problem"
			}
			lines = append(append(lines, fmt.Sprintf("%s has %s and %s:", r.Name.Short(), problems, outcome)), of...)
			shown += len(of)
		}
	}
	if more := f.total - shown; more > 0 {
		lines = append(lines, fmt.Sprintf("... and %d more", more))
	}
	if f.unknown != nil && !enforced {
		lines = append(lines, "warning: what is pushed could not be validated, and is taken all the same")
	}
	return lines
}

// loggedProblem is a problem as the log has it.
type loggedProblem struct {
	Ref     string `json:"ref"`
	Path    string `json:"path"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Field   string `json:"field,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (p *push) logFindings(ctx context.Context, found findings, v repository.Validation) {
	problems := make([]loggedProblem, len(found.told))
	for i, t := range found.told {
		problems[i] = loggedProblem{
			clipped(t.Ref.String()), clipped(t.Path.String()), t.Line, t.Column, clipped(t.Field), clipped(t.Reason), clipped(t.Message),
		}
	}
	logger := p.repo.store.logger.With("repository", p.repo.id.String(), "validation", v.String())
	if found.unknown != nil {
		logger.WarnContext(ctx, "a push could not be validated", "error", found.unknown, "cause", errors.Unwrap(found.unknown))
	}
	if found.total > 0 {
		logger.InfoContext(ctx, "a push is invalid", "refs", len(found.counts), "problems", found.total, "first_problems", problems)
	}
}

// maxProblemLine is the most of a problem that a client is told, in bytes.
const maxProblemLine = 500
