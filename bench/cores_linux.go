package main

import (
	"errors"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// shareCores starts something on the first half of the cores and leaves the others to this process, until restore. With a
// single core they share it.
func shareCores(start func() error) (started, others int, restore func() error, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, 0, nil, err
	}
	var first, rest unix.CPUSet
	for core := 0; first.Count()+rest.Count() < all.Count(); core++ {
		switch {
		case !all.IsSet(core):
		case first.Count() < all.Count()/2:
			first.Set(core)
		default:
			rest.Set(core)
		}
	}
	if first.Count() == 0 {
		first = all
	}
	procs := runtime.GOMAXPROCS(0)
	restore = func() error {
		runtime.GOMAXPROCS(procs)
		return useCores(&all)
	}
	err = useCores(&first) // what is started inherits them
	if err == nil {
		err = start()
	}
	if err == nil {
		err = useCores(&rest)
	}
	if err != nil {
		return 0, 0, nil, errors.Join(err, restore())
	}
	runtime.GOMAXPROCS(rest.Count())
	return first.Count(), rest.Count(), restore, nil
}

// useCores moves all threads of this process to some cores. Those that begin later are on the cores of the one that
// began them.
func useCores(cores *unix.CPUSet) error {
	moved := map[int]bool{}
	for before := -1; before != len(moved); {
		before = len(moved)
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return err
			}
			if moved[id] {
				continue
			}
			if err := unix.SchedSetaffinity(id, cores); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			moved[id] = true
		}
	}
	return nil
}
