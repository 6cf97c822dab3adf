/**
 * The AssemblyScript number types as TypeScript sees them. A file of the contract is read by both
 * compilers, so these names are all that either may use in it.
 */
declare type u8 = number;
declare type u16 = number;
declare type u32 = number;
declare type bool = boolean;
