// Answers what Prometheus' parser makes of expressions: an expression a line on stdin, an answer a line on stdout, texts in
// hexadecimal.
//
// An answer is "=" and the expression as Prometheus prints it; or "E", the byte each of its errors starts at, with commas
// between, a tab, and the message of the first.
package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	reader := parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		text, err := hex.DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil {
			panic(err)
		}
		expr, err := reader.ParseExpr(string(text))
		if err == nil {
			fmt.Fprintln(out, "="+hex.EncodeToString([]byte(expr.String())))
			continue
		}
		var all parser.ParseErrors
		var starts []string
		if errors.As(err, &all) {
			for _, one := range all {
				starts = append(starts, fmt.Sprint(int(one.PositionRange.Start)))
			}
		}
		fmt.Fprintf(out, "E%s\t%s\n", strings.Join(starts, ","), hex.EncodeToString([]byte(strings.ToValidUTF8(err.Error(), "?"))))
	}
}
