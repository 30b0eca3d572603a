//! Fills the composer of tracks that have none with the artist of their album.

use plugin_sdk::prelude::*;

struct FillComposer;

impl Migration for FillComposer {
    fn manifest() -> Manifest {
        Manifest::new("fill-composer", "Track")
            .version(1)
            .description("Fills Composer, where it is NULL, with the artist of the track's album")
            .only_if(at("/Composer").is_null())
            .reads("Album")
            .reads("Artist")
    }

    fn transform(track: &Document, context: &Context) -> Result<Outcome, Failure> {
        if let Some(composer) = context.param::<String>("composer")? {
            return Ok(Edits::new().set("/Composer", composer).into());
        }
        let artist = match referred(track, "/AlbumId", "Album", context)? {
            Some(album) => referred(album, "/ArtistId", "Artist", context)?,
            None => None,
        };
        let name: Option<String> = match artist {
            Some(artist) => artist.get("/Name")?,
            None => None,
        };
        match name {
            Some(name) => Ok(Edits::new().set("/Composer", name).into()),
            None => {
                let message = "the track has no album, or its album no artist with a name";
                Err(Failure::new("no-artist", message).at("/AlbumId"))
            }
        }
    }
}

/// The document of `table` that the field refers to.
fn referred<'a>(
    document: &Document,
    field: &str,
    table: &str,
    context: &Context<'a>,
) -> Result<Option<&'a Document>, Failure> {
    match document.get::<i64>(field)? {
        Some(key) => context.get(table, key),
        None => Ok(None),
    }
}

plugin_sdk::export!(FillComposer);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    fn shop() -> Store {
        Store::new()
            .with("Artist", [(1, json!({"ArtistId": 1, "Name": "AC/DC"}))])
            .with("Artist", [(2, json!({"ArtistId": 2, "Name": null}))])
            .with(
                "Album",
                (1..=2).map(|n| (n, json!({"AlbumId": n, "ArtistId": n}))),
            )
            .with(
                "Track",
                [
                    (
                        1,
                        json!({"AlbumId": 1, "Composer": null, "UnitPrice": 0.99}),
                    ),
                    (
                        2,
                        json!({"AlbumId": 1, "Composer": "Bach", "UnitPrice": 0.99}),
                    ),
                    (
                        3,
                        json!({"AlbumId": 2, "Composer": null, "UnitPrice": 0.99}),
                    ),
                    (
                        4,
                        json!({"AlbumId": null, "Composer": null, "UnitPrice": 0.99}),
                    ),
                    (
                        5,
                        json!({"AlbumId": 1, "Composer": null, "UnitPrice": 0.99}),
                    ),
                ],
            )
    }

    #[test]
    fn the_artist_of_the_album() {
        let mut store = shop();
        let report = Run::new().migrate::<FillComposer>(&mut store);
        assert_eq!((report.total, report.updated, report.failed), (4, 2, 2));
        assert_eq!(report.lookups, 2); // all albums, then all artists
        assert_eq!(store.get("Track", "1").unwrap()["Composer"], "AC/DC");
        assert_eq!(store.get("Track", "2").unwrap()["Composer"], "Bach");
        assert_eq!(report.errors[0].code, "no-artist");
    }

    #[test]
    fn or_what_the_user_says() {
        let mut store = shop();
        let run = Run::new().param("composer", "Unknown");
        assert_eq!(run.migrate::<FillComposer>(&mut store).updated, 4);
        assert_eq!(run.migrate::<FillComposer>(&mut store).total, 0);
        assert_eq!(store.get("Track", "4").unwrap()["Composer"], "Unknown");
    }
}
