/** Whether rows of a table are read. Asked once for each version of a table. */
export type TableFilter = (db: string, table: string) => boolean;

export const allTables: TableFilter = () => true;
