package markdown_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gitstore-dev/gitstore/app/markdown"
)

func TestMarkdownBecomesHTML(t *testing.T) {
	for source, want := range map[string]string{
		"":                          "",
		"A *mug* of **coffee**.\n":  "<p>A <em>mug</em> of <strong>coffee</strong>.</p>\n",
		"# Größe\n":                 "<h1>Größe</h1>\n",
		"[a](https://example.com)":  `<p><a href="https://example.com" rel="nofollow">a</a></p>` + "\n",
		"![a](/a.jpg)":              `<p><img src="/a.jpg" alt="a"></p>` + "\n",
		"1 < 2 & 3":                 "<p>1 &lt; 2 &amp; 3</p>\n",
		"```\n<b>\n```\n":           "<pre><code>&lt;b&gt;\n</code></pre>\n",
		"|a|\n|-|\n|~~1~~|\n":       "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td><del>1</del></td>\n</tr>\n</tbody>\n</table>\n",
		"- a\r\n- b\r\n":            "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n",
		"- [x] a\n- [ ] b\n":        "<ul>\n<li><input checked=\"\" disabled=\"\" type=\"checkbox\"> a</li>\n<li><input disabled=\"\" type=\"checkbox\"> b</li>\n</ul>\n",
		"<script>alert(1)</script>": "\n",
	} {
		assert.Equal(t, want, markdown.HTML(source), source)
	}
}

func TestNothingInMarkdownCanRunOrLeadAstray(t *testing.T) {
	for _, source := range []string{
		"<script>alert(1)</script>", "a <script src=//evil.example></script> b", "[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))",
		"[a](java&#115;cript:alert(1))", "[a](java\\script:x)", "[a](\x01javascript:alert(1))", "[a](data:text/html;base64,PHNjcmlwdD4=)", "![a](data:image/svg+xml,<svg onload=alert(1)>)",
		"<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<svg><script>1</script></svg>", "<base href=//evil.example>", "<iframe src=//evil.example>", "<style>*{}</style>",
		"[a](file:///etc/passwd)", "[a](vbscript:x)", "<javascript:alert(1)>", "[a]: javascript:alert(1)\n\n[a]", "<form action=//evil.example><input></form>",
		"<input type=text disabled>", "- a <input type=checkbox disabled checked>", "a <input type=image src=//evil.example> b",
		"![\" onerror=\"alert(1)](x)", "[a](x \"\\\" onmouseover=alert(1) x=\\\"\")", "<a href=\"x\" style=\"position:fixed\">a</a>", "<object data=x></object><embed src=x><meta http-equiv=refresh><link rel=stylesheet href=x>",
	} {
		out := strings.ToLower(markdown.HTML(source))
		for _, bad := range []string{"<script", "<svg", "<base", "<iframe", "<style", "style=", "<form", "<input", "<object", "<embed", "<meta", "<link", `href="java`, `href="data`, `src="data`, `href="file`, `href="vb`, `" on`, "<img src=x"} {
			assert.NotContains(t, out, bad, source)
		}
	}
}

func TestOfInputsTheBoxesOfTasksAloneAreLeft(t *testing.T) {
	for input, want := range map[string]string{
		`<input checked="" disabled="" type="checkbox">`:                                               `<input checked="" disabled="" type="checkbox">`,
		`<input type="checkbox" disabled="" name="a" value="b" form="c" class="d" onclick="alert(1)">`: `<input type="checkbox" disabled="">`,
		`<input>`: "", `<input type="text">`: "", `<input type="submit" formaction="//evil.example">`: "", `<input type="image" src="//evil.example">`: "",
		`<input type="password" name="a" autofocus>`: "", `<input type="checkboxes" checked="checked">`: "", `<button type="checkbox" disabled="">a</button>`: "a",
	} {
		assert.Equal(t, want, markdown.Sanitize(input), input)
	}
}

func TestLaboriousMarkdownComesPreformatted(t *testing.T) {
	for name, source := range map[string]string{
		"large":          strings.Repeat("words & words\n\n", 20_000),
		"brackets":       strings.Repeat("[", 100_000),
		"quotes":         strings.Repeat("> ", 100_000),
		"emphasis":       strings.Repeat("**a_", 20_000),
		"links":          strings.Repeat("[a](", 20_000),
		"lists":          strings.Repeat("1. ", 20_000),
		"a wide table":   strings.Repeat("|-\n", 20_000),
		"far in":         strings.Repeat(" ", 300) + "- a",
		"comes with <b>": strings.Repeat("<b>", 5000),
	} {
		out := markdown.HTML(source)
		assert.True(t, strings.HasPrefix(out, "<pre>") && strings.HasSuffix(out, "</pre>\n"), name)
		assert.NotContains(t, out, "<b>", name)
	}
	for name, source := range map[string]string{
		"many paragraphs": strings.Repeat("A *mug* of [coffee](/coffee), `hot`.\n\n", 2000),
		"a table":         "|a|b|\n|-|-|\n" + strings.Repeat("|1|2|\n", 500),
	} {
		assert.False(t, strings.HasPrefix(markdown.HTML(source), "<pre>"), name)
	}
}
