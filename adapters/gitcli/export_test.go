package gitcli

// SyncRefsWith makes fn, instead of the disk, put the files and directories of refs on the disk. Call it before the
// first write.
func (s *Store) SyncRefsWith(fn func(path string) error) { s.refs.syncPath = fn }
