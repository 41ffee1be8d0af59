package gitserver

import (
	"errors"
	"io"
	"iter"

	"github.com/gitstore-dev/gitstore/adapters/grpc/wire"
	"github.com/gitstore-dev/gitstore/domain/errs"
)

// batch gathers the items of a stream into messages of about [wire.Batch] bytes, each sent before the next is begun. Its
// memory is used again after send returns: gRPC has encoded the message by then.
type batch[T any] struct {
	send  func(items []T) error
	items []T
	bytes int
	began bool
}

func (b *batch[T]) add(item T, size int) error {
	b.items = append(b.items, item)
	b.bytes += size
	if b.bytes < wire.Batch {
		return nil
	}
	return b.flush()
}

func (b *batch[T]) flush() error {
	b.began = true
	err := b.send(b.items)
	b.items, b.bytes = b.items[:0], 0
	return err
}

// finish sends what is left; a stream has one message at least, which names its commit.
func (b *batch[T]) finish() error {
	if b.began && len(b.items) == 0 {
		return nil
	}
	return b.flush()
}

// sendAll sends the items of seq in batches; size tells about how many bytes a message takes. What came before an error
// of seq goes out before the error does.
func sendAll[T, M any](seq iter.Seq2[T, error], encode func(T) M, size func(M) int, send func([]M) error) error {
	b := batch[M]{send: send}
	for v, err := range seq {
		if err == nil {
			m := encode(v)
			err = b.add(m, size(m))
		} else if len(b.items) > 0 {
			err = errors.Join(b.flush(), err)
		}
		if err != nil {
			return err
		}
	}
	return b.finish()
}

// contents gathers files into messages of about [wire.Batch] bytes. A file that is larger begins a message and goes on
// in the next ones, in pieces of [wire.Chunk].
type contents[F any] struct {
	send  func(more []byte, files []F) error
	files []F
	more  []byte
	bytes int
	began bool
	// memory holds the data of the message: a batch or a chunk, whichever is larger.
	memory []byte
}

// fileOverhead is about how many bytes the message of a file takes beside its path and content.
const fileOverhead = 150

// item is a file on its way into a message.
type item[F any] struct {
	file F
	// overhead is about what the message of the file takes without its content.
	overhead int
	// size is the length of content, which may be nil if it is 0.
	size    int64
	content io.Reader
	// set puts the beginning of the content into the message of the file.
	set func(data []byte)
}

func (c *contents[F]) add(f item[F]) error {
	first := min(f.size, wire.Chunk)
	if c.bytes > 0 && c.bytes+f.overhead+int(first) > wire.Batch {
		if err := c.flush(); err != nil {
			return err
		}
	}
	data, err := c.read(f.content, first)
	if err != nil {
		return err
	}
	f.set(data)
	c.files = append(c.files, f.file)
	c.bytes += f.overhead + len(data)
	for left := f.size - first; left > 0; left -= int64(len(c.more)) {
		if err := c.flush(); err != nil {
			return err
		}
		if c.more, err = c.read(f.content, min(left, wire.Chunk)); err != nil {
			return err
		}
		c.bytes = len(c.more)
	}
	if c.bytes < wire.Batch {
		return nil
	}
	return c.flush()
}

// read reads n bytes into the memory of the message.
func (c *contents[F]) read(r io.Reader, n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if c.memory == nil {
		c.memory = make([]byte, 0, max(wire.Batch, wire.Chunk))
	}
	begin := len(c.memory)
	c.memory = c.memory[:begin+int(n)]
	data := c.memory[begin:]
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, truncated(err)
	}
	return data, nil
}

// truncated returns the error of reading a content to the size that was told.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errs.Wrap(err, errs.ReasonInternal, "the store gave less content than it announced")
	}
	return err
}

func (c *contents[F]) flush() error {
	c.began = true
	err := c.send(c.more, c.files)
	c.more, c.files, c.bytes, c.memory = nil, c.files[:0], 0, c.memory[:0]
	return err
}

// sendContents is [sendAll] for items with content.
func sendContents[T, F any](seq iter.Seq2[T, error], encode func(T) item[F], send func([]byte, []F) error) error {
	c := contents[F]{send: send}
	for v, err := range seq {
		if err == nil {
			err = c.add(encode(v))
		} else if c.bytes > 0 {
			err = errors.Join(c.flush(), err)
		}
		if err != nil {
			return err
		}
	}
	if c.began && c.bytes == 0 {
		return nil
	}
	return c.flush()
}
