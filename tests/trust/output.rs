//! What machines read: the JUnit file.

use crate::support::Test;

const SCRIPT: &str = "const TASK = #{ id: \"T90\", title: \"A try\" };\nfn preconditions(task) { task.require(\"it is day\", || true); }\nfn steps(task) { task.step(\"one\", || ()); task.step(\"two\", || { throw \"broken <here>\"; }); }\n";

#[test]
fn a_junit_file_has_a_case_for_each_check_and_step() {
    let test = Test::new().script(SCRIPT);
    test.run_with(&["scripts/it.rhai", "--junit", "report.xml"]).exits(1);
    let report = std::fs::read_to_string(test.path("report.xml")).expect("a report");
    for part in
        ["<testsuite name=\"T90 A try\" tests=\"3\"", "failures=\"1\"", "name=\"it is day\"", "classname=\"steps\"", "broken &lt;here&gt;"]
    {
        assert!(report.contains(part), "`{part}` is not in:\n{report}");
    }
}
