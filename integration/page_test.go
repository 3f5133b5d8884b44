package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pmemfs/integration/harness"
)

// browser is a tab of a headless Chromium, and what has gone wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string // what the console, or the policy of the page, complains of
}

// newBrowser starts Chromium, which the packages of the tests have.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("js-flags", "--expose-gc"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		cancel()
		stop()
	})
	b := &browser{t: t, ctx: ctx}
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			b.fault(ev.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			b.fault(ev.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	invoke(b, log.Enable, cdp.Empty{})
	return b
}

func (b *browser) fault(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, text)
}

// invoke has the browser carry out a command of its protocol.
func invoke[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// evaluate returns the value of an expression, or what its promise comes to.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// text is an expression as text.
func (b *browser) text(expression string) string {
	b.t.Helper()
	return evaluate[string](b, "String("+expression+")")
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(harness.Patience); !evaluate[bool](b, "Boolean("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("it does not become true: %s", expression)
		}
	}
}

// look sets the size of the window and the theme that the system prefers, and loads the page until it shows figures.
func (b *browser) look(url string, width int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	invoke(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(url))
	b.until(`document.querySelector('#procedures tbody tr') !== null && document.querySelector('#plot-calls li').textContent !== 'calls'`)
}

// violations are what axe-core finds.
func (b *browser) violations() (list []string) {
	b.t.Helper()
	source, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	var found []struct {
		ID    string
		Help  string
		Nodes []struct{ HTML, FailureSummary string }
	}
	evaluate[bool](b, string(source)+"; true")
	report := evaluate[string](b, `axe.run().then((r) => JSON.stringify(r.violations))`)
	if err := json.Unmarshal([]byte(report), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found {
		for _, n := range v.Nodes {
			list = append(list, fmt.Sprintf("%s: %s: %s: %s", v.ID, v.Help, n.HTML, n.FailureSummary))
		}
	}
	return list
}

// watched is a server with an admin port, and with clients that have done something.
func watched(t *testing.T) (server *harness.Server, url string) {
	t.Helper()
	admin := harness.Local(harness.FreePort(t))
	server = harness.Serve(t, filepath.Join(t.TempDir(), "fs.img"), "--size", "64MiB", "--admin", admin, "--export", "/,squash=none", "--export", "/docs=/docs,ro")
	client := harness.Mount(t, server.Addr(), 0)
	for i := range 5 {
		harness.WriteFile(t, client, fmt.Sprint("file", i), strings.Repeat("content", 1000))
	}
	return server, "http://" + admin + "/"
}

// TestPage looks at the status page in Chromium, as narrow as a telephone and as wide as a large screen, in both themes: nothing is complained of,
// axe-core finds nothing, nothing is wider than the window, and the figures are those of the client.
func TestPage(t *testing.T) {
	t.Parallel()
	server, url := watched(t)
	b := newBrowser(t)
	for _, width := range []int64{360, 2560} {
		for _, dark := range []bool{false, true} {
			b.look(url, width, dark)
			for _, v := range b.violations() {
				t.Errorf("%d pixels, dark %v: %s", width, dark, v)
			}
			if got := b.text("document.documentElement.scrollWidth"); got != fmt.Sprint(width) {
				t.Errorf("at %d pixels the page is %s wide", width, got)
			}
		}
	}
	row := func(procedure, export string) string {
		return b.text(fmt.Sprintf(`[...document.querySelectorAll('#procedures tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))
			.filter((c) => c[1] === %q && c[2] === %q).map((c) => c[4])`, procedure, export))
	}
	if got := row("CREATE", "/"); got != "5" {
		t.Errorf("5 files were made, the page says %q", got)
	}
	if got := b.text(`document.querySelector('#exports').textContent`); !strings.Contains(got, "cannot be mounted") {
		t.Errorf("nothing is said of the export without a directory: %s", got)
	}
	b.keyboard()
	b.mu.Lock()
	if len(b.faults) > 0 {
		t.Errorf("the browser complains: %q", b.faults)
	}
	b.mu.Unlock()
	server.Stop()
	b.until(`document.querySelector('#state').textContent.startsWith('the server does not answer')`)
}

// keyboard goes by the tabulator to the first heading of the clients, and sorts by it.
func (b *browser) keyboard() {
	b.t.Helper()
	for range 200 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if b.text(`document.activeElement.closest('#clients th') !== null`) == "true" {
			b.do(chromedp.KeyEvent(kb.Enter))
			if sorted := b.text(`document.querySelector('#clients th').getAttribute('aria-sort')`); sorted != "ascending" {
				b.t.Errorf("sorted by the keyboard, the column is %s", sorted)
			}
			return
		}
	}
	b.t.Error("the tabulator does not lead to the headings of the clients")
}

// pageTurns is how many turns of the page TestPageMemory counts, from when it keeps all that it ever keeps: half an hour of a page that
// asks every two seconds, in each of two halves.
const pageTurns = 150

// TestPageMemory leaves the page open, with its timer sped up, until it keeps as much as it ever does, and then as long again: the
// memory of its script does not grow.
func TestPageMemory(t *testing.T) {
	t.Parallel()
	_, url := watched(t)
	b := newBrowser(t)
	invoke(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `(() => {
		const wait = window.setTimeout;
		window.turns = 0;
		window.setTimeout = (f, ms) => wait(() => { if (ms === 2000) window.turns++; f(); }, ms === 2000 ? 0 : ms);
	})()`})
	b.look(url, 1280, false)
	heap := func(turns int) int64 {
		b.until(fmt.Sprintf("window.turns >= %d", turns))
		return evaluate[int64](b, "gc(), performance.memory.usedJSHeapSize")
	}
	heap(300) // as many points as a plot has
	before := heap(300 + pageTurns)
	after := heap(300 + 2*pageTurns)
	const noise = 256 << 10
	if after > before+noise {
		t.Errorf("%d turns took the script's memory from %d to %d bytes", pageTurns, before, after)
	}
}

// TestPagePictures makes the pictures of the page that the documents show, where TEST_PMEMFS_PICTURES names a folder for them, as make pictures does; else it only
// loads the page, which any browser does first.
func TestPagePictures(t *testing.T) {
	server, url := watched(t)
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("the page is %s", kind)
	}
	folder := os.Getenv("TEST_PMEMFS_PICTURES")
	if folder == "" {
		return
	}
	harness.MustRun(t, "", "snapshot", "create", server.Image, "before-the-move")
	harness.MustRun(t, "", "quota", "set", server.Image, "--path", "/", "--bytes", "48MiB")
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		client := harness.Mount(t, server.Addr(), 0)
		for i := 0; !stop.Load(); i++ {
			harness.WriteFile(t, client, fmt.Sprint("moved", i%40), strings.Repeat("content", 10000))
			time.Sleep(time.Duration(5+40*(i/50%2)) * time.Millisecond)
		}
	})
	b := newBrowser(t)
	for _, p := range []struct {
		width int64
		dark  bool
		name  string
	}{{360, false, "page-360-light"}, {360, true, "page-360-dark"}, {2560, false, "page-2560-light"}, {2560, true, "page-2560-dark"}} {
		b.look(url, p.width, p.dark)
		b.until("document.querySelector('#state').textContent === 'serving' && performance.now() > 30000") // curves, not points
		picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, p.name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wg.Wait()
}
