//! dev main
use firedrill::*;
use clap::Parser;
fn main() {
    let cli = cli::Cli::parse();
    match cli.command {
        cli::Command::Worker => worker::run().unwrap(),
        cli::Command::Guard(args) => panic!("{}", guard::exec(args.parent, &args.command)),
        cli::Command::Run(args) => {
            for path in &args.scenarios {
            let text = std::fs::read_to_string(path).unwrap();
            let plan = plan::Plan::resolve(&scenario::Scenario::parse("s", &text).unwrap_or_else(|p| panic!("{p:#?}")), &Default::default()).unwrap();
            let rt = std::fs::read_to_string(&args.rules.files[0]).unwrap();
            let texts = vec![firedrill_reports::record::RuleText{name:"r".into(), text: rt.clone()}];
            let set = firedrill_detector::RuleSet::load(&[firedrill_detector::RuleFile{name:"r".into(), text: rt}], Default::default()).unwrap_or_else(|p| panic!("{p:#?}"));
            let rules = drill::Rules{texts, set};
            let (_tx, abort) = tokio::sync::watch::channel(false);
            let dir = std::path::PathBuf::from(format!("/tmp/fd-{}-{}", plan.name, std::process::id()));
            let options = engine::live::LiveOptions { exe: std::env::current_exe().unwrap(), redis: redis_server::private::RedisSource::Program("/usr/bin/redis-server".into()), speed: args.speed, epoch: drill::live_epoch(std::time::SystemTime::now()), dir: dir.clone(), abort, reached_ms: Default::default() };
            let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            println!("{:?}", rt.block_on(drill::run_live(&plan, &rules, &options)));
            }
        }
        _ => {}
    }
}
