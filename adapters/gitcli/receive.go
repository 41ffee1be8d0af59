package gitcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/gitstore-dev/gitstore/adapters/gitcli/command"
	"github.com/gitstore-dev/gitstore/adapters/gitcli/packfile"
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/domain/repository"
	"github.com/gitstore-dev/gitstore/internal/pktline"
	"github.com/gitstore-dev/gitstore/internal/requestid"
)

// receiveCapabilities are what a client that pushes may ask for.
func (s *Store) receiveCapabilities(f git.ObjectFormat) string {
	capabilities := "report-status delete-refs side-band-64k quiet atomic ofs-delta object-format=" + f.String() + " agent=gitstore"
	if len(s.opts.PushOptions) > 0 {
		capabilities += " push-options"
	}
	return capabilities
}

// advertiseReceive writes the refs that can be pushed to.
func advertiseReceive(r *repo, v git.ProtocolVersion, out io.Writer) error {
	var b []byte
	if v == 1 {
		b = pktline.Append(b, "version 1\n")
	}
	f := r.objects.format
	suffix := "\x00" + r.store.receiveCapabilities(f) + "\n"
	var err error
	r.refs.Load().tree.Scan(func(ref git.Ref) bool {
		b = pktline.Append(b, ref.Target.String()+" "+ref.Name.String()+suffix)
		suffix = "\n"
		if len(b) > copySize {
			_, err = out.Write(b)
			b = b[:0]
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if suffix != "\n" {
		b = pktline.Append(b, fmt.Sprintf("%0*d capabilities^{}%s", 2*f.Size(), 0, suffix))
	}
	_, err = out.Write(append(b, pktline.Flush...))
	return err
}

const copySize = 64 << 10

func (s *Store) packLimits() packfile.Limits {
	return packfile.Limits{Bytes: s.opts.MaxPushSize, Objects: s.opts.MaxPushObjects, Blob: s.opts.MaxFileSize}
}

// ReceivePack implements [ports.PackTransport]. While the client sends, nobody waits for it: the writer of the repository is
// asked when the objects are there, checked and on the disk (docs/adr/0015-pushes.md).
func (s *Store) ReceivePack(ctx context.Context, id git.RepositoryID, _ git.ProtocolVersion, in io.Reader, out io.Writer) error {
	ctx, r, end, err := s.serve(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	req, err := readReceiveRequest(in, r.objects.format, s.opts.PushOptions)
	if err != nil && errs.KindOf(err) == errs.Invalid {
		s.drain(in)
	}
	if err != nil {
		return errs.From(err)
	}
	if len(req.commands) == 0 {
		return nil
	}
	p := &push{repo: r, req: req, reply: &receiveReply{req: req, keepAlive: s.keepAlive, out: out}, moves: repository.Moves{}}
	err = p.make(ctx, in)
	if err != nil && ctx.Err() != nil { // what was made is counted and answered, though the client may have left
		return errs.From(context.Cause(ctx))
	}
	if input, ok := errors.AsType[*inputError](err); ok {
		return errs.From(input.error)
	}
	return p.answer(ctx, in, err)
}

// drain reads what a client goes on to send whose push was refused: it may not look at the answer before it has sent
// everything.
func (s *Store) drain(in io.Reader) {
	_, _ = io.Copy(io.Discard, io.LimitReader(in, s.opts.MaxPushSize))
}

// push is a push under way.
type push struct {
	repo  *repo
	req   *receiveRequest
	reply *receiveReply
	// moves are the moves of branches that were judged: whoever writes next does not wait for it a second time.
	moves repository.Moves
	// unpacked is why the pack was not taken; nil if it was, or there was none.
	unpacked error
	// refused is why a command of req was not carried out, by its index.
	refused []error
}

// make takes the pack in and moves the refs. An error is of the push as a whole.
func (p *push) make(ctx context.Context, in io.Reader) error {
	p.refused = make([]error, len(p.req.commands))
	if !p.req.wantsPack() {
		defer p.reply.wait()()
		return p.move(ctx, nil)
	}
	if p.unpacked = p.repo.store.room(); p.unpacked != nil {
		return p.unpacked
	}
	q, err := newQuarantine(p.repo)
	if err != nil {
		p.unpacked = err
		return err
	}
	defer q.drop()
	answered := func() {}
	defer func() { answered() }()
	complaints, err := q.receive(ctx, in, func() { answered = p.reply.wait() })
	p.reply.say(complaints...)
	if err != nil {
		p.unpacked = p.explain(err)
		return p.unpacked
	}
	if err := p.checkConnected(ctx, q); err != nil {
		return p.explain(err)
	}
	if err := q.open(ctx); err != nil {
		return err
	}
	return p.move(ctx, q)
}

// checkConnected refuses a push whose objects refer to others that are not there.
func (p *push) checkConnected(ctx context.Context, q *quarantine) error {
	ok, err := q.connected(ctx, p.newIDs())
	if err != nil || ok {
		return err
	}
	return errs.Wrap(errLacking, errs.ReasonInvalidPack, "the push lacks objects to which it refers")
}

// newIDs are where refs are to go.
func (p *push) newIDs() (ids []git.ObjectID) {
	for _, c := range p.req.commands {
		if !c.update.New.IsZero() {
			ids = append(ids, c.update.New)
		}
	}
	return ids
}

// explain says what to do about objects that are missing where the client's own history is not whole.
func (p *push) explain(err error) error {
	if p.req.shallow && errors.Is(err, errLacking) {
		return errs.New(errs.ReasonInvalidPack, "history is missing, as the clone is shallow: run git fetch --unshallow and push again")
	}
	return err
}

// errOtherPolicy ends the turn of a push that was judged by another policy than the one that holds by then.
var errOtherPolicy = errors.New("another policy holds")

// move has the refs moved that may be, judged by the policy that holds when it is their turn. What was refused by one before
// stays refused.
func (p *push) move(ctx context.Context, q *quarantine) error {
	for {
		err := p.moveUnder(ctx, q, p.repo.policy().Policy)
		if !errors.Is(err, errOtherPolicy) {
			return err
		}
	}
}

// moveUnder has the refs moved that the policy lets move, if it still holds then. It first finds out without the writer, which
// nobody has to wait for meanwhile, and has what is pushed validated: what that reads is in memory then.
func (p *push) moveUnder(ctx context.Context, q *quarantine, policy repository.Policy) error {
	if err := p.checkTrees(ctx, q, policy.Links); err != nil {
		return err
	}
	preview := newDraft(p.repo)
	preview.borrow(q)
	changes, err := p.plan(ctx, preview)
	if err != nil || len(changes) == 0 {
		return err
	}
	for i, why := range p.refused {
		p.req.commands[i].refused = why // also where a ref moves back meanwhile: nobody has validated what it was to get
	}
	refused, err := p.validate(ctx, q, policy, changes)
	if err != nil {
		return err
	}
	if refused {
		if changes, err = p.plan(ctx, preview); err != nil || len(changes) == 0 {
			return err
		}
	}
	staged := &stage{repo: p.repo, quarantine: q}
	if q != nil {
		staged.pack = q.pack
	}
	return p.repo.writer.do(ctx, staged, func(ctx context.Context, d *draft) ([]repository.RefChange, error) {
		if !d.Policy().JudgesPushesLike(policy) {
			return nil, errOtherPolicy
		}
		return p.plan(ctx, d)
	})
}

// plan judges the commands on a draft and notes why some are refused.
func (p *push) plan(ctx context.Context, d *draft) ([]repository.RefChange, error) {
	asked := repository.Push{Atomic: p.req.atomic, Moves: p.moves}
	var at []int
	for i, c := range p.req.commands {
		p.refused[i] = c.refused
		if c.refused == nil {
			asked.Updates, at = append(asked.Updates, c.update), append(at, i)
		}
	}
	if p.req.atomic && len(at) < len(p.req.commands) {
		for _, i := range at {
			p.refused[i] = repository.ErrAtomic
		}
		return nil, nil
	}
	changes, refused, err := asked.Push(ctx, d)
	for j, why := range refused {
		p.refused[at[j]] = why
	}
	return changes, err
}

// answer tells the client what came of the push, and the log.
func (p *push) answer(ctx context.Context, in io.Reader, err error) error {
	if err != nil {
		err = p.concealed(ctx, err)
	}
	for i, why := range p.refused {
		switch {
		case err != nil:
			p.refused[i] = err
		case errs.Is(why, errs.ReasonRefMoved): // what programs are told to do is no advice for who has a clone
			p.refused[i] = errs.Wrap(why, errs.ReasonRefMoved, "ref "+strconv.Quote(p.req.commands[i].name)+" is not where it was expected: fetch, rebase or merge, and push again")
		case why != nil:
			p.refused[i] = p.concealed(ctx, why)
		}
	}
	unpacked := "ok"
	if p.unpacked != nil {
		unpacked = oneLine(err) // it is why the push failed
		p.repo.store.drain(in)
	}
	p.count(ctx)
	return p.reply.report(unpacked, p.refused)
}

// concealed returns what a client may know of an error: of a defect and of damage, under which incident the log has it.
func (p *push) concealed(ctx context.Context, err error) error {
	e := errs.From(err)
	if e.Kind != errs.Internal && e.Kind != errs.Corrupt {
		return e
	}
	said := ""
	if exit, ok := errors.AsType[*command.ExitError](err); ok {
		said = exit.Said
	}
	incident := requestid.New()
	p.repo.store.logger.ErrorContext(ctx, "a push failed", "incident", incident, "repository", p.repo.id.String(), "error", err, "cause", errors.Unwrap(e), "stderr", said)
	return errs.New(e.Reason, "internal error: the log has it under incident "+incident, errs.MetaIncident, incident)
}

// count counts the push, and logs why refs are refused.
func (p *push) count(ctx context.Context) {
	s := p.repo.store
	s.pushes.Add(1)
	if len(p.req.options) > 0 {
		s.logger.InfoContext(ctx, "push options", "repository", p.repo.id.String(), "options", p.req.options)
	}
	refused, first := 0, -1
	for i, err := range p.refused {
		if err != nil {
			if refused++; first < 0 {
				first = i
			}
		}
	}
	if refused == 0 {
		return
	}
	why := errs.From(p.refused[first])
	s.refusedPush(why.Reason)
	s.logger.InfoContext(ctx, "push refused", "repository", p.repo.id.String(), "refs", len(p.refused), "refused", refused,
		"ref", clipped(p.req.commands[first].name), "reason", string(why.Reason), "error", clipped(why.Error()))
}

// clipped bounds what a client sent for the log.
func clipped(s string) string { return s[:min(len(s), 256)] }
