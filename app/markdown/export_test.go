package markdown

// Sanitize is what HTML does with what was made of Markdown.
var Sanitize = policy.Sanitize
