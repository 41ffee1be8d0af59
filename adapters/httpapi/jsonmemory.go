package httpapi

const (
	// smallJSON is what a request may hold, in bytes, while those with more are refused already: what a body of 1 MiB takes that is
	// read whole.
	smallJSON = wholeJSON << 20
	// wholeJSON is how many bytes are counted for each of a body that is read whole: the text, its buffer, and the values.
	wholeJSON = 3
	// jsonRefusal is what a request is told whose JSON finds no room.
	jsonRefusal = "the JSON of other requests takes all the memory that is for it: try again in a moment, and send a large file by a PUT of its own"
)
