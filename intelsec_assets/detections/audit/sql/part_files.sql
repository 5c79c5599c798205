create table if not exists part_files (
    part text not null,
    source text not null,
    key text not null,
    sha256 text not null,
    primary key (part, source, key, sha256)
) without rowid
