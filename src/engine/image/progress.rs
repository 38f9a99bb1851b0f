//! What is told while an image comes or goes; the faces say it in their words.

pub(crate) use crate::image::intake::Progress;

/// What is told of a pull: the blobs, and the steps around them.
pub(crate) trait PullProgress: Progress {
    /// A registry is asked for this full name.
    fn trying(&mut self, name: &str);
    /// The image with this id is whole and in the store.
    fn stored(&mut self, id: &str);
    /// Asks which of several names is meant; `None` where nobody can be asked.
    fn choose(&mut self, _names: &[String]) -> anyhow::Result<Option<usize>> {
        Ok(None)
    }
    /// Something is not as it was asked for.
    fn warn(&mut self, text: &str);
}
