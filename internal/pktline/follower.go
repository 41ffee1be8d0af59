package pktline

// packLine is the data of the line behind which an answer of version 2 has a pack, on bands (gitprotocol-v2(5), "fetch").
const packLine = "packfile\n"

// Follower follows lines that pass in pieces of any size, and knows how far the last of them has come.
type Follower struct {
	digits [lengthDigits]byte
	// read is how many digits of the next line's length have passed.
	read int
	kind Kind
	// band is 0 if the last line is on none, or has no data so far.
	band Band
	// fresh reports that no data of the last line has passed.
	fresh bool
	left  int
	// length is how much data the last line has, and begun the beginning of it.
	length int
	begun  [len(packLine)]byte
	// lost reports that what passes is not lines.
	lost bool
}

// Write implements io.Writer. It never fails.
func (f *Follower) Write(b []byte) (int, error) {
	for at := 0; at < len(b); {
		at += f.Step(b[at:])
	}
	return len(b), nil
}

// Step follows b as far as the length of a line, its band or the line itself ends there, and returns how many bytes those are: one at
// least, if there are any.
func (f *Follower) Step(b []byte) int {
	switch {
	case f.lost || len(b) == 0:
		return len(b)
	case f.left == 0:
		n := copy(f.digits[f.read:], b)
		if f.read += n; f.read == lengthDigits {
			f.begin()
		}
		return n
	}
	n := min(f.left, len(b))
	if f.fresh {
		n = 1
		if b[0] <= byte(ErrorBand) {
			f.band = Band(b[0])
		}
		f.fresh = false
	}
	if passed := f.length - f.left; passed < len(f.begun) {
		copy(f.begun[passed:], b[:n])
	}
	f.left -= n
	return n
}

// Lost reports that what passes is not lines.
func (f *Follower) Lost() bool { return f.lost }

// begin takes in the length of a line.
func (f *Follower) begin() {
	n, err := length(f.digits[:])
	f.read, f.band, f.fresh, f.length, f.lost = 0, 0, true, 0, err != nil
	if f.kind = Data; n < lengthDigits {
		f.kind = [...]Kind{FlushLine, Delimiter, ResponseEnd}[n]
		return
	}
	f.length = n - lengthDigits
	f.left = f.length
}

// Last returns what the last line is, and on which band it is, 0 if on none. Left is how many bytes of it have not passed yet.
// It is not ok where that is not known: within the length of a line, and after what is no line.
func (f *Follower) Last() (kind Kind, band Band, left int, ok bool) {
	return f.kind, f.band, f.left, !f.lost && f.read == 0
}

// PackFollows reports that the last line, of an answer of version 2 to a fetch, is the one behind which all is on bands.
func (f *Follower) PackFollows() bool {
	return f.length == len(packLine) && f.left == 0 && string(f.begun[:]) == packLine
}
