// Package browser drives a headless Chromium, and has what is done with the web page of an API wherever that runs.
package browser

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Window is that of a headless Chromium which shows the pages of an API, as somebody uses it who finds controls by their labels and
// links by their names. It is for one goroutine. What cannot be done in it, or is not shown in time, fails the test.
type Window struct {
	t    *testing.T
	ctx  context.Context
	home string

	answering sync.WaitGroup

	mu sync.Mutex
	// asked are the hosts that the page sent requests to, wrong what it told of errors.
	asked map[string]bool
	wrong []string
	// dialogs are the kinds of those that the page opened; declines has them answered with no.
	dialogs  []string
	declines bool
}

// visitWait is how long a page may take to show what is waited for.
const visitWait = time.Minute

// Open opens a window, which is closed when the test ends; home is the URL of the API. The browser reaches this machine alone. It
// fails the test if there is no Chromium.
func Open(t *testing.T, home string) *Window {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("the tests of the web page need Chromium: `make chromium` installs it on Debian")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1100, 900), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, closeTab := chromedp.NewContext(allocated)
	b := &Window{t: t, ctx: ctx, home: home, asked: map[string]bool{}}
	t.Cleanup(func() {
		closeTab()
		stop()
		b.answering.Wait()
	})
	b.succeeds(chromedp.Do(ctx))
	b.succeeds(chromedp.Listen(ctx, b.heard))
	dialogs := chromedp.Events(ctx, page.JavascriptDialogOpening)
	b.answering.Go(func() {
		for dialog, err := range dialogs {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.dialogs = append(b.dialogs, string(dialog.Type))
			accept := !b.declines
			b.mu.Unlock()
			_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: accept, PromptText: dialog.DefaultPrompt})
		}
	})
	return b
}

// Answers does what opens a dialog of a kind, which is accepted or declined.
func (b *Window) Answers(kind string, accept bool, do func()) {
	b.t.Helper()
	b.mu.Lock()
	b.dialogs, b.declines = nil, !accept
	b.mu.Unlock()
	do()
	waiting := time.NewTicker(5 * time.Millisecond)
	defer waiting.Stop()
	for patience := time.After(visitWait); !slices.Contains(b.Dialogs(), kind); {
		select {
		case <-waiting.C:
		case <-patience:
			b.t.Fatalf("no dialog of the kind %s is opened; there were %q", kind, b.Dialogs())
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.declines = false
}

// Dialogs are the kinds of the dialogs that were opened since Answers was called.
func (b *Window) Dialogs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.dialogs)
}

func (b *Window) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
			b.asked[u.Host] = true
		}
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, e.ExceptionDetails.Text)
	}
}

// On runs a part of the test.
func (b *Window) On(t *testing.T, name string, part func(t *testing.T, b *Window)) {
	t.Run(name, func(t *testing.T) {
		b.t = t
		part(t, b)
		b.picture("end")
	})
	b.t = t
}

// RequireOwn fails the test if a page asked anybody but its own host, or threw an error.
func (b *Window) RequireOwn() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for host := range b.asked {
		if "http://"+host != b.home {
			b.t.Errorf("a page asked %s", host)
		}
	}
	if len(b.asked) == 0 || len(b.wrong) > 0 {
		b.t.Errorf("of %d hosts that were asked, pages told of the errors %q", len(b.asked), b.wrong)
	}
}

// Press presses keys: those of a text, or the Key constants.
func (b *Window) Press(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// Keys that are no text.
const (
	KeyTab   = kb.Tab
	KeyEnter = kb.Enter
)

// Prefer has the browser tell pages that its user likes them light or dark.
func (b *Window) Prefer(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	b.succeeds(err)
}

// do does what somebody does, and fails the test with what the page shows if it cannot be done.
func (b *Window) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, visitWait)
	defer cancel()
	b.succeeds(chromedp.Do(ctx, actions...))
}

func (b *Window) succeeds(err error) {
	b.t.Helper()
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.picture("failed")
		b.t.Fatalf("%v; the page shows:\n%s", err, text)
	}
}

// picture is put into the directory that SCREENSHOTS names, if it names one.
func (b *Window) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.t.Name()+"-"+name, "/", "-")+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Errorf("there is no picture: %v", err)
	}
}

// Visit opens a view of the web page, such as shop/catalog.
func (b *Window) Visit(place string) { b.t.Helper(); b.Load(b.home + "/#/" + place) }

// Load opens the page of a URL.
func (b *Window) Load(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }

// Poll waits until a function of the page returns something that is true, and returns it.
func Poll[T any](b *Window, function string, args ...any) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, visitWait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.PollFunction[T](function, chromedp.WithPollingArgs(args...), chromedp.WithPollingInterval(20*time.Millisecond)))
	b.succeeds(err)
	return v
}

// Sees waits until the page shows a text, in an element that the selector selects.
func (b *Window) Sees(selector, text string) {
	b.t.Helper()
	Poll[bool](b, `(selector, text) => [...document.querySelectorAll(selector)].some(e => e.innerText.includes(text) && e.checkVisibility())`, selector, text)
}

// Click presses the first link or button of this name below the selector, when it is there.
func (b *Window) Click(below, name string) {
	b.t.Helper()
	Poll[bool](b, `(below, name) => {
		const e = [...document.querySelectorAll(below + " a, " + below + " button")].find(e => e.innerText.trim() === name);
		// A dialog that it opens is answered by the test, which waits for this.
		if (e) setTimeout(() => e.click());
		return Boolean(e);
	}`, below, name)
}

// Fill replaces what is in the control of this label, as typing does.
func (b *Window) Fill(label, text string) {
	b.t.Helper()
	Poll[bool](b, `(label) => {
		const e = document.getElementById([...document.querySelectorAll("main label")].find(e => e.innerText === label)?.htmlFor);
		e?.focus();
		e?.select();
		return Boolean(e);
	}`, label)
	b.do(chromedp.KeyEvent(text))
}

// Value is that of an expression in the page.
func Value[T any](b *Window, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	b.succeeds(err)
	return v
}

// Choose selects an option of the control of this label.
func (b *Window) Choose(label, option string) {
	b.t.Helper()
	Poll[bool](b, `(label, option) => {
		const e = document.getElementById([...document.querySelectorAll("main label")].find(e => e.innerText === label)?.htmlFor);
		if (![...(e?.options ?? [])].some(o => o.value === option)) return false;
		e.value = option;
		return true;
	}`, label, option)
}

// Described is what is read out with the control of an id besides its label.
func (b *Window) Described(id string) string {
	b.t.Helper()
	return Value[string](b, `document.getElementById("`+id+`").getAttribute("aria-describedby").split(" ").map(id => document.getElementById(id).innerText).join(" ")`)
}
