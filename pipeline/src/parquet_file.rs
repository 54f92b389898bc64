//! Parquet files: written whole or not at all, read batch by batch.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};

/// Rows of a row group, at most: some megabytes, of which readers skip whole groups, and pages, by
/// the statistics of the columns that the file is sorted by.
pub const GROUP_ROWS: usize = 1 << 17;
/// Rows of a batch that is written or read.
const BATCH_ROWS: usize = 8_192;

/// A file that appears under its name once it is whole: it is written beside it and renamed.
pub struct ParquetFile {
    /// Until it is finished.
    writer: Option<ArrowWriter<File>>,
    /// Rows on their way, in batches of one size: pages end with batches, and must not depend on how
    /// rows come.
    rows: BatchCoalescer,
    temporary: PathBuf,
    path: PathBuf,
}

impl ParquetFile {
    /// Begins a file of rows that come sorted by these columns. Its folders are made.
    pub fn create(path: &Path, schema: SchemaRef, sorted_by: &[&str]) -> Result<ParquetFile> {
        let failed = failed(path);
        fs::create_dir_all(path.parent().unwrap_or(path)).map_err(|e| failed(&e))?;
        let temporary = path.with_extension("parquet.tmp");
        let file = File::create(&temporary).map_err(|e| failed(&e))?;
        let properties = properties(&schema, sorted_by);
        let rows = BatchCoalescer::new(schema.clone(), BATCH_ROWS);
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| failed(&e))?;
        Ok(ParquetFile { writer: Some(writer), rows, temporary, path: path.to_owned() })
    }

    /// Adds rows.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows.push_batch(rows.clone())?;
        self.pass_on()
    }

    fn pass_on(&mut self) -> Result<()> {
        let failed = failed(&self.path);
        while let (Some(writer), Some(rows)) = (&mut self.writer, self.rows.next_completed_batch()) {
            writer.write(&rows).map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    /// Ends the file: durable, and under its name. Returns its size in bytes.
    pub fn finish(mut self) -> Result<u64> {
        self.rows.finish_buffered_batch()?;
        self.pass_on()?;
        let failed = failed(&self.path);
        let Some(writer) = self.writer.take() else { return Ok(0) };
        let file = writer.into_inner().map_err(|e| failed(&e))?;
        file.sync_all().map_err(|e| failed(&e))?;
        let bytes = file.metadata().map_err(|e| failed(&e))?.len();
        fs::rename(&self.temporary, &self.path).map_err(|e| failed(&e))?;
        let parent = self.path.parent().unwrap_or(&self.path);
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(|e| failed(&e))?;
        Ok(bytes)
    }
}

impl Drop for ParquetFile {
    /// What was begun and not finished leaves nothing behind.
    fn drop(&mut self) {
        if self.writer.is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Statistics by page, as is the writer's default, and the sort order. Nothing that changes from run
/// to run: equal rows give equal files.
fn properties(schema: &Schema, sorted_by: &[&str]) -> WriterProperties {
    // Parquet counts leaves, which are the columns as long as none is nested.
    let flat = schema.fields().iter().all(|field| !field.data_type().is_nested());
    let place = |name: &&str| schema.index_of(name).ok().filter(|_| flat).and_then(|at| i32::try_from(at).ok());
    let sorting: Option<Vec<SortingColumn>> = sorted_by
        .iter()
        .map(|name| Some(SortingColumn { column_idx: place(name)?, descending: false, nulls_first: true }))
        .collect();
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("oddsmill".into())
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_sorting_columns(sorting.filter(|columns| !columns.is_empty()))
        .build()
}

/// Reads some columns of a file, in the file's order.
pub fn read(path: &Path, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let unreadable = unreadable(path);
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(&e))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| unreadable(&e))?;
    Ok(reader.map(move |batch| batch.map_err(|e| unreadable(&e))))
}

fn failed(path: &Path) -> impl Fn(&dyn std::fmt::Display) -> Error + use<> {
    let what = format!("export to {}", path.display());
    move |cause| Error::fatal(&what, cause)
}

fn unreadable(path: &Path) -> impl Fn(&dyn std::fmt::Display) -> Error + Send + use<> {
    let path = path.display().to_string();
    move |cause| Error::Reject(format!("{path} cannot be read as Parquet: {cause}; export it again"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows(count: i64) -> RecordBatch {
        let numbers = Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef;
        let texts =
            Arc::new(StringArray::from_iter_values((0..count).map(|n| format!("text {}", n * 7919)))) as ArrayRef;
        RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap()
    }

    fn write(path: &Path, rows: &RecordBatch, step: usize) -> Vec<u8> {
        let mut file = ParquetFile::create(path, rows.schema(), &["number"]).unwrap();
        for from in (0..rows.num_rows()).step_by(step) {
            file.write(&rows.slice(from, step.min(rows.num_rows() - from))).unwrap();
        }
        assert!(!path.exists(), "half a file");
        let bytes = file.finish().unwrap();
        let written = fs::read(path).unwrap();
        assert_eq!(written.len() as u64, bytes);
        written
    }

    #[test]
    fn bytes_follow_from_the_rows_alone_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, rows) = (dir.path().join("a/b/rows.parquet"), rows(20_000));
        let whole = write(&path, &rows, 20_000);
        for step in [1_000, 8_192, 13_001] {
            fs::remove_file(&path).unwrap();
            assert!(write(&path, &rows, step) == whole, "{step}");
        }
        let read: Vec<RecordBatch> = read(&path, &["number"]).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
        assert_eq!(read[0].num_columns(), 1);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ParquetFile::create(&dir.path().join("rows.parquet"), rows(1).schema(), &[]).unwrap();
        file.write(&rows(10)).unwrap();
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let torn = dir.path().join("torn.parquet");
        fs::write(&torn, b"PAR1").unwrap();
        assert!(read(&torn, &["number"]).err().unwrap().to_string().contains("cannot be read as Parquet"));
    }
}
