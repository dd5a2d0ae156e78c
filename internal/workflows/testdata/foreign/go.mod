module example.test/foreign

go 1.26
