export type Flavor = "mysql" | "mariadb";
