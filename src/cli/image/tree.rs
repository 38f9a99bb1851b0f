//! `dhow image tree`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::model::size;

/// Show the layers of an image
#[derive(clap::Args)]
pub(crate) struct TreeArgs {
    /// Show what other images put on the image's top layer
    #[arg(long)]
    whatrequires: bool,
    /// The image
    #[arg(required = true, value_name = "IMAGE")]
    name: String,
}

impl Run<Context> for TreeArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let tree = context.engine()?.image_tree(&self.name, self.whatrequires)?;
        let id = |id: &str| id.get(..12).unwrap_or(id).to_owned();
        let mut text = format!(
            "Image ID: {}\nTags:     [{}]\nSize:     {}\n",
            id(&tree.id),
            tree.names.join(" "),
            size::human(tree.size)
        );
        text.push_str(if tree.layers.is_empty() { "No Image Layers\n" } else { "Image Layers\n" });
        for (at, layer) in tree.layers.iter().enumerate() {
            let branch = if at + 1 == tree.layers.len() { "└── " } else { "├── " };
            text.push_str(&format!("{branch}ID: {} Size: {:>7}", id(&layer.id), size::human(layer.size)));
            if !layer.top_of.is_empty() {
                text.push_str(&format!(" Top Layer of: [{}]", layer.top_of.join(" ")));
            }
            text.push('\n');
        }
        text.push('\n');
        stdout::print(&text)?;
        Ok(0)
    }
}
