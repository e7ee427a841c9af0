//! `floodmark schema`: the JSON Schemas of everything that others read or write, and the reference of profiles.

mod reference;

use floodmark_contracts::near::nearest;

use crate::{
    args::SchemaArgs,
    commands::say,
    exit::{Exit, Failure},
};

/// Lists, prints or writes the schemas.
pub fn run(args: &SchemaArgs) -> Result<Exit, Failure> {
    let all = floodmark_contracts::schema::all();
    if let Some(dir) = &args.write {
        std::fs::create_dir_all(dir)?;
        for (file, schema) in &all {
            std::fs::write(dir.join(file), text(schema)?)?;
        }
        say(&format!(
            "wrote {} schemas into `{}`",
            all.len(),
            dir.display()
        ));
        return Ok(Exit::Pass);
    }
    let name = match args.reference {
        true => Some("profile"),
        false => args.name.as_deref(),
    };
    let Some(name) = name else {
        for (file, _) in &all {
            say(file.trim_end_matches(".json"));
        }
        return Ok(Exit::Pass);
    };
    let wanted = format!("{}.json", name.trim_end_matches(".json"));
    let Some((_, schema)) = all.iter().find(|(file, _)| *file == wanted) else {
        let names = all.iter().map(|(file, _)| file.trim_end_matches(".json"));
        let hint = nearest(name, names).map_or_else(
            || "`floodmark schema` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("there is no schema `{name}`; {hint}");
        return Err(Failure::usage(message));
    };
    match args.reference {
        true => say(reference::page(schema.as_value()).trim_end()),
        false => say(text(schema)?.trim_end()),
    }
    Ok(Exit::Pass)
}

fn text(schema: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}
