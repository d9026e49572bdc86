//! Appends to a table of SQLite in WAL mode, with one transaction for all that came at once,
//! each of which is durable when it is committed.

mod batches;

use rusqlite::Connection;

fn main() -> std::io::Result<()> {
    let path = batches::folder().join("journal.sqlite");
    let mut database = Connection::open(path).expect("the file can be made");
    let set_up = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                  CREATE TABLE journal (number INTEGER PRIMARY KEY, value INTEGER);";
    database.execute_batch(set_up).expect("it is new");
    batches::serve(|values| {
        let transaction = database.transaction().expect("nobody else has it");
        let insert = "INSERT INTO journal (value) VALUES (?1)";
        let mut insert_one = transaction.prepare_cached(insert).expect("it is SQL");
        for value in values {
            insert_one.execute([*value as i64]).expect("there is room");
        }
        drop(insert_one);
        transaction.commit().expect("the disk is well");
    })
}
