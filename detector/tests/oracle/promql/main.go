// Answers what Prometheus' parser makes of expressions: an expression a line on stdin, an answer a line on stdout, texts in
// hexadecimal.
//
// An answer is "=", the expression as Prometheus prints it, a tab, and what its tree is made of: each node's kind and first
// byte, and in parentheses the nodes below, in the order written; and after two more tabs, the milliseconds of its ranges, steps
// and offsets in an instant query, in order of size, or why they cannot be computed, and whether what is printed is read as the
// same. Or it is "E", the byte each of its errors starts at, with commas between, a tab, and the message of the first.
package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	reader := parser.NewParser(parser.Options{
		EnableExperimentalFunctions: true,
		ExperimentalDurationExpr:    true,
	})
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
			printed, placed, shape := expr.String(), tree(expr, true), tree(expr, false)
			all, isSame := lengths(expr), false
			if again, err := reader.ParseExpr(printed); err == nil {
				isSame = shape == tree(again, false) && all == lengths(again)
			}
			fmt.Fprintf(out, "=%s\t%s\t%s\t%v\n", hex.EncodeToString([]byte(printed)), placed, all, isSame)
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

func lengths(expr parser.Expr) string {
	now := time.Unix(1700000000, 0)
	expr, err := promql.PreprocessExpr(expr, now, now, 0)
	if err != nil {
		return "!" + err.Error()
	}
	var all []int64
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			all = append(all, node.OriginalOffset.Milliseconds())
		case *parser.MatrixSelector:
			all = append(all, node.Range.Milliseconds())
		case *parser.SubqueryExpr:
			all = append(all, node.Range.Milliseconds(), node.Step.Milliseconds(), node.OriginalOffset.Milliseconds())
		}
		return nil
	})
	slices.Sort(all)
	return strings.Trim(fmt.Sprint(all), "[]")
}

func tree(node parser.Node, isPlaced bool) string {
	var kind string
	children := parser.Children(node)
	switch node := node.(type) {
	case *parser.AggregateExpr:
		kind = "aggregate"
		slices.Reverse(children)
	case *parser.BinaryExpr:
		kind = "binary"
	case *parser.Call:
		kind = "call"
	case *parser.MatrixSelector:
		kind, children = "range", nil
	case *parser.NumberLiteral:
		kind = "number"
	case *parser.ParenExpr:
		kind = "paren"
	case *parser.StringLiteral:
		kind = "string"
	case *parser.SubqueryExpr:
		kind = "subquery"
	case *parser.UnaryExpr:
		kind = "unary"
	case *parser.VectorSelector:
		kind = "selector"
	default:
		panic(fmt.Sprintf("%T", node))
	}
	var below []string
	for _, child := range children {
		below = append(below, tree(child, isPlaced))
	}
	shown := kind
	if isPlaced {
		shown += fmt.Sprintf("@%d", node.PositionRange().Start)
	}
	if below != nil {
		shown += "(" + strings.Join(below, " ") + ")"
	}
	return shown
}
