// Answers what Prometheus' regular expressions do: a question a line on stdin, an answer a line on stdout. Fields are
// separated by tabs and written in hexadecimal where they are text.
//
// A question is a pattern, a subject and a replacement. The answer has, each as a field, an error ("E" and its text) or
// what the pattern does
//
//   - anywhere in the subject: the match and its groups, as pairs of byte offsets, or "-" without a match,
//   - as a label matcher: "true" or "false",
//   - within the anchors of label_replace: the same as the first,
//   - in label_replace: the replacement with the groups of that match,
//   - in a template's reReplaceAll: the subject with all matches replaced.
//
// With the argument "classes" it prints every class that \p knows, plain and with (?i), as pairs of code points, and with
// "folds" every character that has other cases, with those.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/grafana/regexp"
	"github.com/grafana/regexp/syntax"
	"github.com/prometheus/prometheus/model/labels"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	switch strings.Join(os.Args[1:], " ") {
	case "":
		answer(out)
	case "classes":
		classes(out)
	case "folds":
		folds(out)
	default:
		fmt.Fprintln(os.Stderr, "arguments: none, classes or folds")
		os.Exit(2)
	}
}

func answer(out *bufio.Writer) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	var asked string
	var anywhere, whole *regexp.Regexp
	var matcher *labels.FastRegexMatcher
	var errors [3]error
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		pattern, subject, replacement := text(fields[0]), text(fields[1]), text(fields[2])
		if anywhere == nil && whole == nil && matcher == nil || asked != pattern {
			asked = pattern
			anywhere, errors[0] = regexp.Compile(pattern)
			matcher, errors[1] = labels.NewFastRegexMatcher(pattern)
			whole, errors[2] = regexp.Compile("^(?s:" + pattern + ")$")
		}
		var answers [5]string
		if errors[0] != nil {
			answers[0], answers[4] = failed(errors[0]), failed(errors[0])
		} else {
			answers[0] = spans(anywhere.FindStringSubmatchIndex(subject))
			answers[4] = hexed(anywhere.ReplaceAllString(subject, replacement))
		}
		if errors[1] != nil {
			answers[1] = failed(errors[1])
		} else {
			answers[1] = fmt.Sprint(matcher.MatchString(subject))
		}
		if errors[2] != nil {
			answers[2], answers[3] = failed(errors[2]), failed(errors[2])
		} else {
			indexes := whole.FindStringSubmatchIndex(subject)
			answers[2], answers[3] = spans(indexes), "-"
			if indexes != nil {
				answers[3] = hexed(string(whole.ExpandString(nil, replacement, subject, indexes)))
			}
		}
		fmt.Fprintln(out, strings.Join(answers[:], "\t"))
	}
}

func text(field string) string {
	bytes, err := hex.DecodeString(field)
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func hexed(text string) string {
	return "=" + hex.EncodeToString([]byte(text))
}

func failed(err error) string {
	return "E" + hex.EncodeToString([]byte(err.Error()))
}

func spans(indexes []int) string {
	if indexes == nil {
		return "-"
	}
	return strings.Trim(fmt.Sprint(indexes), "[]")
}

func classes(out *bufio.Writer) {
	names := slices.Concat([]string{"Any"}, slices.Collect(maps.Keys(unicode.Categories)), slices.Collect(maps.Keys(unicode.Scripts)))
	slices.Sort(names)
	for _, name := range names {
		for _, flags := range []string{"", "(?i)"} {
			// A class with a class in it stays one, whatever is in it.
			re, err := syntax.Parse(flags+`[\x{10FFFF}\p{`+name+`}]`, syntax.Perl)
			if err != nil {
				panic(err)
			}
			runes := re.Rune
			if re.Op == syntax.OpAnyChar {
				runes = []rune{0, unicode.MaxRune}
			}
			fmt.Fprintf(out, "%s\t%t\t%s\n", name, flags != "", strings.Trim(fmt.Sprint(runes), "[]"))
		}
	}
}

func folds(out *bufio.Writer) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.SimpleFold(r) == r {
			continue
		}
		fmt.Fprint(out, r)
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			fmt.Fprint(out, " ", other)
		}
		fmt.Fprintln(out)
	}
}
