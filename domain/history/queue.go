package history

import "container/heap"

// queue gives values by time, the newest first, and those of one time in the order they came.
type queue[T any] struct {
	items queueItems[T]
	seq   int
}

type queueItem[T any] struct {
	value T
	when  int64
	seq   int
}

// push returns a number that is positive and belongs to this push alone.
func (q *queue[T]) push(value T, when int64) int {
	q.seq++
	heap.Push(&q.items, queueItem[T]{value, when, q.seq})
	return q.seq
}

func (q *queue[T]) len() int { return len(q.items) }

func (q *queue[T]) peek() queueItem[T] { return q.items[0] }

func (q *queue[T]) pop() T { return heap.Pop(&q.items).(queueItem[T]).value }

type queueItems[T any] []queueItem[T]

func (q queueItems[T]) Len() int      { return len(q) }
func (q queueItems[T]) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queueItems[T]) Less(i, j int) bool {
	if q[i].when != q[j].when {
		return q[i].when > q[j].when
	}
	return q[i].seq < q[j].seq
}

func (q *queueItems[T]) Push(x any) { *q = append(*q, x.(queueItem[T])) }

func (q *queueItems[T]) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = queueItem[T]{}
	*q = (*q)[:last]
	return x
}
