//! What templates do, as Go and podman do it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::report::{Report, is_json};
use super::*;

fn row() -> Value {
    json!({
        "ID": "0123456789ab", "Names": ["web", "www"], "Size": 12, "Ratio": 2.5, "Up": true, "Down": false,
        "Labels": {"b": "2", "a": "1"}, "State": {"Status": "running", "Pid": 7, "Health": null}, "Empty": "",
        "Mounts": [], "Nil": null, "HTML": "<a & 'b'>",
    })
}

fn label(row: &Data, args: &[Data]) -> Result<Data, String> {
    let [key] = args else { return Err(format!("wrong number of args for Label: want 1 got {}", args.len())) };
    let key = key.as_text().ok_or("a label's name is a string")?;
    Ok(row.field("Labels").and_then(|l| l.field(key)).cloned().unwrap_or_else(|| Data::text("")))
}

fn go(text: &str) -> Result<String, String> {
    let template = Template::parse("ps", text).map_err(|e| e.to_string())?;
    template.typed("containers.psReporter", &[("Label", label)]).render(&row()).map_err(|e| e.to_string())
}

#[test]
fn templates_do_what_gos_do() {
    for (text, want) in [
        ("plain", "plain"),
        ("{{.ID}}-{{.State.Status}}", "0123456789ab-running"),
        ("{{ .Names }} {{.Labels}} {{.Size}} {{.Ratio}} {{.Up}} {{.Nil}}", "[web www] map[a:1 b:2] 12 2.5 true <nil>"),
        ("{{.Labels.a}} {{.Labels.zz}} {{index .Labels \"b\"}}|{{index .Labels \"zz\"}}|", "1 <no value> 2||"),
        ("{{.Label \"a\"}} {{\"b\" | .Label}} {{.Label `c`}}.", "1 2 ."),
        ("{{range .Names}}<{{.}}>{{end}}", "<web><www>"),
        ("{{range $i, $n := .Names}}{{if $i}},{{end}}{{$i}}={{$n}}{{end}}", "0=web,1=www"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "),
        ("{{range .Mounts}}x{{else}}none{{end}}", "none"),
        ("{{range .Names}}{{.}}{{break}}{{end}}", "web"),
        ("{{range .Names}}{{if eq . \"web\"}}{{continue}}{{end}}{{.}}{{end}}", "www"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{if .Down}}a{{else if .Up}}b{{else}}c{{end}}", "b"),
        ("{{if and .Up (gt .Size 10)}}yes{{end}}", "yes"),
        ("{{if or .Down .Empty}}yes{{else}}no{{end}}", "no"),
        ("{{if not .Empty}}empty{{end}}", "empty"),
        ("{{with .State}}{{.Pid}} {{$.ID}}{{end}}", "7 0123456789ab"),
        ("{{with .Empty}}x{{else}}y{{end}}", "y"),
        ("{{with .Empty}}x{{else with .ID}}{{.}}{{end}}", "0123456789ab"),
        ("{{with $x := .Size}}{{$x}}{{end}}", "12"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("a {{- 1 -}} b", "a1b"),
        ("a{{/* comment */}}b", "ab"),
        ("{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .ID}}", "[0123456789ab]"),
        ("{{block \"t\" .Size}}<{{.}}>{{end}}", "<12>"),
        ("{{(index .Names 1)}} {{(.State).Pid}}", "www 7"),
        ("{{len .Names}} {{len .ID}} {{slice .ID 0 3}} {{slice .Names 1}}", "2 12 012 [www]"),
        ("{{eq .Size 1 12}} {{ne .ID \"x\"}} {{lt 1 2}} {{le 2 2}} {{ge 1.5 2.5}}", "true true true true false"),
        ("{{upper \"a\"}}{{lower \"B\"}}{{title \"hello world\"}}", "AbHello World"),
        ("{{join .Names \", \"}} {{join (split \"a-b\" \"-\") \"+\"}}", "web, www a+b"),
        ("{{pad \"x\" 1 2}}| {{pad \"\" 1 2}}| {{truncate .ID 4}} {{truncate \"ab\" 4}}", " x  | | 0123 ab"),
        (
            "{{json .State}} {{json .Labels}} {{.Names | json}}",
            "{\"Status\":\"running\",\"Pid\":7,\"Health\":null} {\"a\":\"1\",\"b\":\"2\"} [\"web\",\"www\"]",
        ),
        ("{{json .HTML}} {{html .HTML}}", "\"<a & 'b'>\" &lt;a &amp; &#39;b&#39;&gt;"),
        ("{{urlquery \"a b&c\"}} {{js \"<'\"}}", "a+b%26c \\u003C\\'"),
        ("{{printf \"%-6s|%03d\" .State.Status 7}}", "running|007"),
        ("{{.Size | printf \"%d-%s\" 1 | printf \"%s\"}}", "1-%!s(int=12)"),
        ("{{print 1 2 \"a\" 3}} {{println \"a\" 1}}", "1 2a3 a 1\n"),
        ("{{\"a\\tb\\u20ac\"}}{{`raw\\n`}}{{'a'}}{{0x1F}}{{1e3}}{{-1}}", "a\tb€raw\\n97311000-1"),
        ("{{\"quoted }} brace\"}}", "quoted }} brace"),
        ("{{- \"\" }} {{ 1 }}", " 1"),
    ] {
        assert_eq!(go(text).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn errors_have_the_words_of_go() {
    for (text, want) in [
        (
            "{{.Foo}}",
            "template: ps:1:2: executing \"ps\" at <.Foo>: can't evaluate field Foo in type containers.psReporter",
        ),
        (
            "x\n {{.State.Foo}}",
            "template: ps:2:9: executing \"ps\" at <.State.Foo>: can't evaluate field Foo in type interface {}",
        ),
        ("{{.ID.Foo}}", "template: ps:1:5: executing \"ps\" at <.ID.Foo>: can't evaluate field Foo in type string"),
        ("{{.Nil.Foo}}", "template: ps:1:6: executing \"ps\" at <.Nil.Foo>: nil pointer evaluating interface {}.Foo"),
        ("{{Name", "template: ps:1: function \"Name\" not defined"),
        ("{{foo .}}", "template: ps:1: function \"foo\" not defined"),
        ("{{Name{{", "template: ps:1: bad character U+007B '{'"),
        ("{{.ID", "template: ps:1: unclosed action"),
        ("{{.ID}", "template: ps:1: bad character U+007D '}'"),
        ("{{if .ID}}x", "template: ps:1: unexpected EOF"),
        ("{{end}}", "template: ps:1: unexpected {{end}}"),
        ("{{else}}", "template: ps:1: unexpected {{else}}"),
        ("{{}}", "template: ps:1: missing value for command"),
        ("{{if}}{{end}}", "template: ps:1: missing value for if"),
        ("{{$x}}", "template: ps:1: undefined variable \"$x\""),
        ("{{break}}", "template: ps:1: {{break}} outside {{range}}"),
        ("{{(.ID}}", "template: ps:1: unclosed left paren"),
        ("{{.ID)}}", "template: ps:1: unexpected \")\" in command"),
        ("{{\"x\".Y}}", "template: ps:1: unexpected . after term \"\\\"x\\\"\""),
        ("{{\"a}}", "template: ps:1: unterminated quoted string"),
        ("{{1x}}", "template: ps:1: bad number syntax: \"1x\""),
        ("{{nil}}", "template: ps:1:2: executing \"ps\" at <nil>: nil is not a command"),
        ("{{.ID | 1}}", "template: ps:1: non executable command in pipeline stage 2"),
        ("{{/* x }}", "template: ps:1: unclosed comment"),
        (
            "{{index .Names 5}}",
            "template: ps:1:2: executing \"ps\" at <index .Names 5>: error calling index: index out of range: 5",
        ),
        (
            "{{upper .Size}}",
            "template: ps:1:8: executing \"ps\" at <.Size>: wrong type for value; expected string; got int",
        ),
        ("{{lt 1}}", "template: ps:1:2: executing \"ps\" at <lt>: wrong number of args for lt: want 2 got 1"),
        (
            "{{lt 1 \"a\"}}",
            "template: ps:1:2: executing \"ps\" at <lt 1 \"a\">: error calling lt: incompatible types for comparison",
        ),
        (
            "{{.ID 1}}",
            "template: ps:1:2: executing \"ps\" at <.ID>: ID has arguments but cannot be invoked as function",
        ),
        (
            "{{template \"x\"}}",
            "template: ps:1:11: executing \"ps\" at <{{template \"x\"}}>: template \"x\" not defined",
        ),
        ("{{range .Up}}{{end}}", "template: ps:1:8: executing \"ps\" at <.Up>: range can't iterate over true"),
    ] {
        assert_eq!(go(text).unwrap_err(), want, "{text}");
    }
}

/// R38.
#[test]
fn hostile_templates_end() {
    assert!(
        go("{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" .}}")
            .unwrap_err()
            .contains("maximum template depth")
    );
    let nested = "{{range 9999}}".repeat(20) + &"{{end}}".repeat(20);
    assert!(go(&nested).unwrap_err().contains("too many steps"));
    assert!(go(&"(".repeat(100_000).replace('(', "{{(")).is_err());
    assert!(go(&format!("{{{{{}1{}}}}}", "(".repeat(1000), ")".repeat(1000))).unwrap_err().contains("depth"));
    assert!(go(&format!("{}{}", "{{if 1}}".repeat(1000), "{{end}}".repeat(1000))).unwrap_err().contains("depth"));
    assert!(go(&format!("{}{}", "{{if 1}}{{else ".repeat(1000), "{{end}}".repeat(1000))).is_err());
    assert!(go("{{pad \"x\" 999999999999 0}}").unwrap_err().contains("too much output"));
    assert!(
        go("{{$x := \"0123456789\"}}{{range 99}}{{$x = print $x $x}}{{end}}").unwrap_err().contains("too much output")
    );
    assert!(go("{{range 999999}}{{printf \"%9999d\" 1}}{{end}}").unwrap_err().contains("too much output"));
}

fn report(terminal: bool) -> Report<'static> {
    Report {
        command: "ps",
        type_name: "containers.psReporter",
        default: "table {{.ID}}\\t{{.Names}}\\t{{.State.Status}}",
        headings: &[("ID", "CONTAINER ID")],
        methods: &[("Label", label)],
        heading: true,
        terminal,
    }
}

#[test]
fn rows_are_tables_json_or_lines() {
    let rows = [row(), json!({"ID": "ba", "Names": ["x"], "State": {"Status": "e\u{1b}x"}, "Labels": {}})];
    let of = |format: &str| report(false).rows(Some(format), &rows).map_err(|e| e.to_string());
    assert_eq!(
        report(false).rows(None, &rows).unwrap(),
        "CONTAINER ID  NAMES       STATUS\n0123456789ab  [web www]   running\nba            [x]         e\u{1b}x\n"
    );
    assert!(report(true).rows(None, &rows).unwrap().contains("e\\x1bx"));
    assert_eq!(
        Report { heading: false, ..report(false) }.rows(Some("table {{.ID}}"), &rows).unwrap(),
        "0123456789ab\nba\n"
    );
    assert_eq!(
        of("table {{ .ID }} {{join .Names \", \"}}").unwrap(),
        "CONTAINER ID  NAMES\n0123456789ab  web, www\nba            x\n"
    );
    assert_eq!(
        of("table {{.ID}} {{.ImageID}}").unwrap_err(),
        "template: ps:1:21: executing \"ps\" at <.ImageID>: can't evaluate field ImageID in type containers.psReporter"
    );
    assert_eq!(
        of("table {{.ID}} {{.Label \"a\"}} {{.Size}}").unwrap_err().split(": ").nth(3).unwrap(),
        "can't evaluate field Size in type containers.psReporter"
    );
    assert_eq!(of("table {{.ID}} {{.Label \"a\"}}").unwrap(), "CONTAINER ID  LABEL\n0123456789ab  1\nba            \n");
    assert_eq!(of("{{.ID}}\\t{{.Label \"a\"}}").unwrap(), "0123456789ab\t1\nba\t\n");
    assert_eq!(of("{{range .}}{{.ID}} {{end}}").unwrap(), "0123456789ab ba \n");
    assert_eq!(
        of("{{.Foo}}").unwrap_err(),
        "template: ps:1:13: executing \"ps\" at <.Foo>: can't evaluate field Foo in type containers.psReporter"
    );
    assert_eq!(of("{{.ID}}\\n").unwrap(), "0123456789ab\nba\n");
    assert!(of("json").unwrap().starts_with("[\n  {\n    \"ID\": \"0123456789ab\""));
    assert_eq!(of("{{json .}}"), of("json"));
    assert!(of("{{json .ID}}").unwrap().starts_with("\"0123456789ab\"\n"));
    assert_eq!(report(false).one("{{.ID}}", &row()).unwrap(), "0123456789ab\n");
    for (format, want) in [
        ("json", true),
        (" json ", true),
        ("{{ json . }}", true),
        ("{{json .}}", true),
        ("jsonx", false),
        ("{{json .ID}}", false),
        ("json.", false),
    ] {
        assert_eq!(is_json(format), want, "{format}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_rendered_or_refused(text in "(\\{\\{|\\}\\}|-|\\$|x|:=|=|,|\\.ID|\\.|\\||\\(|\\)|\"|`|'|[ \n\t]|if|else|end|range|with|define|block|template|break|/\\*|\\*/|printf|index|slice|[0-9]|é|\\\\){0,24}") {
        drop(go(&text));
        drop(report(true).rows(Some(&text), &[row()]));
    }

    #[test]
    fn any_action_is_rendered_or_refused(words in proptest::collection::vec("\\.ID|\\.Names|\\.Labels|\\.|index|slice|len|printf|print|join|split|\\(|\\)|[|]|[0-9]{1,3}|-1|\"%[-+# 0]?[0-9*]{0,2}[.]?[0-9]?[a-zA-Z]\"|nil|\\$|eq|lt|and|or|not|json|truncate|pad|title|html|js", 1..10)) {
        drop(go(&format!("{{{{{}}}}}", words.join(" "))));
    }

    #[test]
    fn any_format_is_normalized(text in "\\PC*") {
        drop(report(false).rows(Some(&text), &[row()]));
    }
}
